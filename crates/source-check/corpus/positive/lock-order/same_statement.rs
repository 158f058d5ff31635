use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S) -> u64 {
    *s.a.lock().unwrap() + *s.b.lock().unwrap() //~ lock-order
}
fn g(s: &S) -> u64 {
    *s.b.lock().unwrap() + *s.a.lock().unwrap() //~ lock-order
}
