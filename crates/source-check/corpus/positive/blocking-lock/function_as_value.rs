use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
fn read(a: &App) -> u64 {
    *a.n.lock().unwrap()
}
async fn f(a: Option<&App>) -> Option<u64> {
    a.map(read) //~ blocking-lock
}
