use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let _ = a.n.try_lock().unwrap();
    step().await;
}
