use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    if let Ok(mut n) = a.n.try_lock() {
        *n += 1;
    }
}
