use std::time::Duration;
fn pause(d: Duration) {
    std::thread::sleep(d);
}
async fn f() {
    let _: fn(Duration) = pause;
}
