use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    if let Ok(mut n) = a.n.lock() { //~ blocking-lock
        *n += 1;
    }
}
