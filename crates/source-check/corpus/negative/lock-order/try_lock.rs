use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S) {
    let _a = s.a.lock().unwrap();
    let _b = s.b.try_lock();
}
fn g(s: &S) {
    let _b = s.b.lock().unwrap();
    let _a = s.a.try_lock();
}
