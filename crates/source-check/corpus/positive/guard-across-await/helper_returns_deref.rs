use std::ops::DerefMut;
use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
impl App {
    fn n(&self) -> impl DerefMut<Target = u64> + '_ {
        self.n.lock().unwrap()
    }
}
async fn f(a: &App) {
    let _n = a.n(); //~ guard-across-await blocking-lock
    step().await;
}
