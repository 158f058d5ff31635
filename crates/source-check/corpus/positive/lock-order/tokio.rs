use tokio::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
async fn f(s: &S) {
    let _a = s.a.lock().await;
    let _b = s.b.lock().await; //~ lock-order
}
async fn g(s: &S) {
    let _b = s.b.lock().await;
    let _a = s.a.lock().await; //~ lock-order
}
