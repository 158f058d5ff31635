use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App, r: Result<u64, String>) -> Result<u64, u64> {
    r.map_err(|_| *a.n.lock().unwrap()) //~ blocking-lock
}
