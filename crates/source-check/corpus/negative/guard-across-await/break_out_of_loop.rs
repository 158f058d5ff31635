use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
async fn f(a: &App) {
    loop {
        let n = a.n.try_lock().unwrap();
        if *n > 3 {
            break;
        }
    }
    step().await;
}
