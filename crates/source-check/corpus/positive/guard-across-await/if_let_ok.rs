use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    if let Ok(n) = a.n.lock() { //~ guard-across-await blocking-lock
        step().await;
        let _ = *n;
    }
}
