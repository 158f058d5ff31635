use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App, c: bool) {
    let n = a.n.try_lock().unwrap();
    if c {
        let _ = *n;
        return;
    }
    drop(n);
    step().await;
}
