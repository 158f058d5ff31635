use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let mut n = Some(a.n.try_lock().unwrap());
    n = None;
    step().await;
    let _ = n;
}
