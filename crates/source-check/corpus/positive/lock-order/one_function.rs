use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
fn f(s: &S, c: bool) {
    if c {
        let _a = s.a.lock().unwrap();
        let _b = s.b.lock().unwrap(); //~ lock-order
    } else {
        let _b = s.b.lock().unwrap();
        let _a = s.a.lock().unwrap(); //~ lock-order
    }
}
