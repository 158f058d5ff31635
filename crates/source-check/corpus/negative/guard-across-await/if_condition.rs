use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    if *a.n.try_lock().unwrap() > 0 {
        step().await;
    }
}
