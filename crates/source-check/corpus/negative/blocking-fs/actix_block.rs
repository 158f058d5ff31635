use actix_web::web;
async fn page() -> Vec<u8> {
    web::block(|| std::fs::read("a").unwrap_or_default()).await.unwrap()
}
