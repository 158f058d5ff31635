use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn twice(_: u64) {}
async fn f(a: &App) {
    twice({ *a.n.try_lock().unwrap() }).await;
}
