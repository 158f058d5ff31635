use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App, c: bool) -> u64 {
    match c {
        true => *a.n.lock().unwrap(), //~ blocking-lock
        false => 0,
    }
}
