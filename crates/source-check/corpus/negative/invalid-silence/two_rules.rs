async fn f(n: &std::sync::Mutex<u64>) {
    // farmgate: allow(blocking-lock, thread-sleep) because the test server must stall
    let _ = (n.lock().unwrap(), std::thread::sleep(d()));
}
