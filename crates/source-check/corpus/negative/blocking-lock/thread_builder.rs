use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: std::sync::Arc<App>) {
    let _ = std::thread::Builder::new().name("w".into()).spawn(move || *a.n.lock().unwrap() += 1);
}
