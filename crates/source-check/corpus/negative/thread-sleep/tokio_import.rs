use std::time::Duration;
use tokio::time::sleep;
async fn f(d: Duration) {
    sleep(d).await;
}
