lazy_static::lazy_static! {
    static ref N: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
}
async fn f() {
    *N.lock().unwrap() += 1; //~ blocking-lock
}
