async fn f() {
    // farmgate: allow(thread-sleep, blocking-fs) because the test server must stall
    //~^ unused-silence
    std::thread::sleep(d());
}
