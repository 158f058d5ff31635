// edition: 2024
use tokio::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let _n = a.n.lock().await;
    step().await;
}
