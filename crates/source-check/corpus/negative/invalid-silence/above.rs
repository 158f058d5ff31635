async fn f() {
    // farmgate: allow(thread-sleep) because the test server must stall
    std::thread::sleep(d());
}
