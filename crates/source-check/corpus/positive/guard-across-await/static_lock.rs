use std::sync::Mutex;
static N: Mutex<u64> = Mutex::new(0);
async fn step() {}
async fn f() {
    let _n = N.lock().unwrap(); //~ guard-across-await blocking-lock
    step().await;
}
