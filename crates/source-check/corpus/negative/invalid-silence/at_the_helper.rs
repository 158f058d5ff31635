fn pause() {
    // farmgate: allow(thread-sleep) because the test server must stall
    std::thread::sleep(d());
}
async fn f() {
    pause();
}
