use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S) {
    *s.a.lock().unwrap() += 1;
    *s.b.lock().unwrap() += 1;
    *s.a.lock().unwrap() += 1;
}
