use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) -> u64 {
    *a
        .n
        .lock() //~ blocking-lock
        .expect("not poisoned")
}
