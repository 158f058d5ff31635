use std::sync::Mutex;
async fn step() {}
struct App {
    s: Mutex<Vec<u64>>,
}
async fn f(a: &App) {
    for _ in a.s.lock().unwrap().iter() { //~ guard-across-await blocking-lock
        step().await;
    }
}
