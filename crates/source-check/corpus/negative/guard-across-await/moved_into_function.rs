use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
fn use_up(_: std::sync::MutexGuard<'_, u64>) {}
async fn f(a: &App) {
    let n = a.n.try_lock().unwrap();
    use_up(n);
    step().await;
}
