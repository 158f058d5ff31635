use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
impl App {
    fn inner(&self) {
        *self.n.lock().unwrap() += 1;
    }
    fn outer(&self) {
        self.inner();
    }
}
async fn f(a: &App) {
    a.outer(); //~ blocking-lock
}
