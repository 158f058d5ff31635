use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn add_b(s: &S) {
    *s.b.lock().unwrap() += 1;
}
fn f(s: &S) {
    let _a = s.a.lock().unwrap();
    add_b(s); //~ lock-order
}
fn g(s: &S) {
    let _b = s.b.lock().unwrap();
    *s.a.lock().unwrap() += 1; //~ lock-order
}
