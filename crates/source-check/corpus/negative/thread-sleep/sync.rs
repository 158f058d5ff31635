use std::time::Duration;
fn f(d: Duration) {
    std::thread::sleep(d);
}
