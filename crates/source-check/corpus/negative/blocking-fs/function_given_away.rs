fn load() {
    let _ = std::fs::read("x");
}
async fn f() {
    let _ = tokio::task::spawn_blocking(load).await;
}
