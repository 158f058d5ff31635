use std::sync::Mutex;
async fn step() {}
struct App {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
async fn f(app: &App) {
    let (a, b) = (app.a.lock().unwrap(), app.b.lock().unwrap()); //~ guard-across-await blocking-lock
    drop(a);
    step().await;
    drop(b);
}
