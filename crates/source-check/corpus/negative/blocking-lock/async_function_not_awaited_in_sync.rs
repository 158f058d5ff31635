use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
fn f(a: &App) -> u64 {
    let n = a.n.lock().unwrap();
    let _future = step();
    *n
}
