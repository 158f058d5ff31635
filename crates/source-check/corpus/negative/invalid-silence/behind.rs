async fn f() {
    std::thread::sleep(d()); // farmgate: allow(thread-sleep) because the test server must stall
}
