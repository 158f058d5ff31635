use parking_lot::Mutex;
static A: Mutex<u64> = Mutex::new(0);
static B: Mutex<u64> = Mutex::new(0);
static C: Mutex<u64> = Mutex::new(0);
fn f() {
    let _a = A.lock();
    let _b = B.lock(); //~ lock-order
}
fn g() {
    let _b = B.lock();
    let _c = C.lock(); //~ lock-order
}
fn h() {
    let _c = C.lock();
    let _a = A.lock(); //~ lock-order
}
