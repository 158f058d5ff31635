use std::time::Duration;
fn pause(d: Duration) {
    std::thread::sleep(d);
}
async fn f(d: Duration) {
    pause(d); //~ thread-sleep
}
