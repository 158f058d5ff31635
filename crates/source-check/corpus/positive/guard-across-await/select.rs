use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    let n = a.n.lock().unwrap(); //~ guard-across-await blocking-lock
    tokio::select! {
        _ = step() => {}
        () = step(), if *n > 0 => {}
    }
}
