use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App, early: bool) {
    let n = a.n.lock().unwrap(); //~ guard-across-await blocking-lock
    if early {
        drop(n);
    }
    step().await;
}
