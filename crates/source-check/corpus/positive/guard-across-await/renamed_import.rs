use std::sync::Mutex as M;
async fn step() {}
struct App {
    n: M<u64>,
}
async fn f(a: &App) {
    let _n = a.n.lock().unwrap(); //~ guard-across-await blocking-lock
    step().await;
}
