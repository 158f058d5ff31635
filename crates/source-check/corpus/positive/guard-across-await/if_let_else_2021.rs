// edition: 2021
use std::sync::Mutex;
async fn step() {}
struct App {
    s: Mutex<Vec<u64>>,
}
async fn f(a: &App) {
    if let Some(_) = a.s.lock().unwrap().pop() { //~ guard-across-await blocking-lock
    } else {
        step().await;
    }
}
