use std::sync::Mutex;
async fn step() {}
struct App {
    n: Mutex<u64>,
}
fn f(a: &'static App) {
    let _work = async move || {
        let _n = a.n.lock().unwrap(); //~ guard-across-await blocking-lock
        step().await;
    };
}
