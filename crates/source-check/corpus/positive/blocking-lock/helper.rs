use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
fn add(a: &App) {
    *a.n.lock().unwrap() += 1;
}
async fn f(a: &App) {
    add(a); //~ blocking-lock
}
