use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
struct T {
    a: Mutex<u64>,
}
fn f(s: &S, t: &T) {
    let _a = s.a.lock().unwrap();
    let _b = s.b.lock().unwrap();
    drop(_a);
    let _t = t.a.lock().unwrap();
}
