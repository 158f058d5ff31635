use std::sync::Mutex;
async fn step() {}
struct App {
    s: Mutex<Option<String>>,
}
async fn f(a: &App) {
    match a.s.lock().unwrap().clone() { //~ guard-across-await blocking-lock
        Some(_) => step().await,
        None => {}
    }
}
