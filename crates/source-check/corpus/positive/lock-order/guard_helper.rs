use std::sync::MutexGuard;
use std::sync::Mutex;
struct S {
    a: Mutex<u64>,
    b: Mutex<u64>,
}
impl S {
    fn a(&self) -> MutexGuard<'_, u64> {
        self.a.lock().unwrap()
    }
}
fn f(s: &S) {
    let _a = s.a();
    let _b = s.b.lock().unwrap(); //~ lock-order
}
fn g(s: &S) {
    let _b = s.b.lock().unwrap();
    let _a = s.a(); //~ lock-order
}
