use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S) {
    let _a = s.a.lock().unwrap();
    let _b = s.b.lock().unwrap();
}
fn g(s: &S) {
    let _a = s.a.lock().unwrap();
    *s.b.lock().unwrap() += 1;
}
