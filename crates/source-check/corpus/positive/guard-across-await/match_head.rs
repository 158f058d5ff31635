use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    match *a.n.lock().unwrap() { //~ guard-across-await blocking-lock
        0 => step().await,
        _ => {}
    }
}
