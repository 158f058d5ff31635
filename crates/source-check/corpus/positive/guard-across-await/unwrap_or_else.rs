use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let n = a.n.lock().unwrap_or_else(|poisoned| poisoned.into_inner()); //~ guard-across-await blocking-lock
    step().await;
    drop(n);
}
