use std::sync::{Mutex, MutexGuard};
async fn step() {}
struct App {
    n: Mutex<u64>,
}
impl App {
    fn n(&self) -> MutexGuard<'_, u64> {
        self.n.lock().unwrap()
    }
}
async fn f(a: &App) {
    let _n = a.n(); //~ guard-across-await blocking-lock
    step().await;
}
