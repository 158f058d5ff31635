use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let mut kept = None;
    for _ in 0..3 {
        step().await;
        kept = Some(a.n.lock().unwrap()); //~ guard-across-await blocking-lock
    }
    drop(kept);
}
