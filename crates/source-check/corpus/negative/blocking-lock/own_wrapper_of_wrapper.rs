use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn inner<F: FnOnce() + Send + 'static>(work: F) {
    tokio::task::spawn_blocking(move || work()).await.ok();
}
async fn outer<F: FnOnce() + Send + 'static>(work: F) {
    inner(work).await;
}
async fn f(a: std::sync::Arc<App>) {
    outer(move || *a.n.lock().unwrap() += 1).await;
}
