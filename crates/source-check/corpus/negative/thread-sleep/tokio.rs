use std::time::Duration;
async fn f(d: Duration) {
    tokio::time::sleep(d).await;
}
