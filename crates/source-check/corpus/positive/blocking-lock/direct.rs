use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    *a.n.lock().unwrap() += 1; //~ blocking-lock
}
