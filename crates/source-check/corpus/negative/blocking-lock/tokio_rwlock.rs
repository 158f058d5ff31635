use tokio::sync::RwLock;
struct App {
    n: RwLock<u64>,
}
async fn f(a: &App) -> u64 {
    *a.n.read().await + *a.n.write().await
}
