use std::sync::Mutex;
async fn f() {
    let n = Mutex::new(1);
    *n.lock().unwrap() += 1; //~ blocking-lock
}
