use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let n = a.n.try_lock().unwrap();
    let later = async { step().await };
    drop(n);
    later.await;
}
