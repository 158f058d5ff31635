use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let Ok(n) = a.n.lock() else { return }; //~ guard-across-await blocking-lock
    step().await;
    drop(n);
}
