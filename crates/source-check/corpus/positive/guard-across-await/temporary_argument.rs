use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn add(_: u64) {}
async fn f(a: &App) {
    add(*a.n.lock().unwrap()).await; //~ guard-across-await blocking-lock
}
