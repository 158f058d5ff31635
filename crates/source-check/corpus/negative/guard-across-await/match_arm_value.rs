use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let n = match a.n.try_lock() {
        Ok(n) => *n,
        Err(_) => 0,
    };
    step().await;
    let _ = n;
}
