use std::time::Duration;
async fn f(d: Duration) {
    std::thread::sleep(d); //~ thread-sleep
}
