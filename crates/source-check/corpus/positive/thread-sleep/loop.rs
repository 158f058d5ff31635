use std::time::Duration;
async fn f(d: Duration) {
    for _ in 0..3 {
        std::thread::sleep(d); //~ thread-sleep
    }
}
