use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: std::sync::Arc<App>) {
    let work = move || *a.n.lock().unwrap() += 1;
    tokio::task::spawn_blocking(work).await.ok();
}
