// farmgate: allow(thread-sleep) because the test server must stall
async fn f() {
    std::thread::sleep(d());
    std::thread::sleep(d());
}
