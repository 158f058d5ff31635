use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
fn f(a: std::sync::Arc<App>) {
    tokio::spawn(async move {
        *a.n.lock().unwrap() += 1; //~ blocking-lock
    });
}
