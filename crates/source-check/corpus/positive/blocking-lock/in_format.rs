use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) -> String {
    format!("{}", a.n.lock().unwrap()) //~ blocking-lock
}
