use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let mut n = a.n.lock().unwrap(); //~ guard-across-await blocking-lock
    step().await;
    *n += 1;
}
