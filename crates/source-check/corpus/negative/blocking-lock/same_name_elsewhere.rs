use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
mod a {
    pub fn add() {}
}
mod c {
    pub fn add(n: &std::sync::Mutex<u64>) {
        *n.lock().unwrap() += 1;
    }
}
async fn f() {
    a::add();
}
