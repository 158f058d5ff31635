use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    if let Ok(n) = a.n.try_lock() { //~ guard-across-await
        step().await;
        drop(n);
    }
}
