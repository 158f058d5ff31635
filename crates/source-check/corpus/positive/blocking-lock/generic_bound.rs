use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
trait Count {
    fn add(&self);
}
impl Count for App {
    fn add(&self) {
        *self.n.lock().unwrap() += 1;
    }
}
async fn f<C: Count + Send>(count: C) {
    count.add(); //~ blocking-lock
}
