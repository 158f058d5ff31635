use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
async fn f(a: std::sync::Arc<App>) {
    offload(move || *a.n.lock().unwrap() += 1).await;
}
