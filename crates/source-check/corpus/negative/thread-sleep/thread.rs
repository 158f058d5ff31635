use std::time::Duration;
async fn f(d: Duration) {
    std::thread::spawn(move || std::thread::sleep(d));
}
