use std::sync::Mutex;
async fn step() {}
struct App {
    s: Mutex<Vec<u64>>,
}
async fn f(a: &App) {
    if let Some(_last) = a.s.lock().unwrap().pop() { //~ guard-across-await blocking-lock
        step().await;
    }
}
