use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S) {
    let a = s.a.lock().unwrap();
    *s.b.lock().unwrap() += *a; //~ lock-order
}
fn g(s: &S) {
    let b = s.b.lock().unwrap();
    *s.a.lock().unwrap() += *b; //~ lock-order
}
