use std::sync::Mutex;
async fn step() {}
struct App {
    s: Mutex<Vec<u64>>,
}
async fn f(a: &App) {
    while let Some(_) = a.s.lock().unwrap().pop() { //~ guard-across-await blocking-lock
        step().await;
    }
}
