use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S) {
    let a = s.a.lock().unwrap();
    drop(a);
    let _b = s.b.lock().unwrap();
}
fn g(s: &S) {
    let _b = s.b.lock().unwrap();
    let _a = s.a.lock().unwrap();
}
