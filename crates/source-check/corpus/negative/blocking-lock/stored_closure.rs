use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: std::sync::Arc<App>) -> Box<dyn Fn() + Send> {
    Box::new(move || *a.n.lock().unwrap() += 1)
}
