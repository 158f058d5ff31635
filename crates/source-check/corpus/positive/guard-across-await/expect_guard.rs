use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let n = a.n.lock().expect("poisoned"); //~ guard-across-await blocking-lock
    step().await;
    drop(n);
}
