async fn f() {
    // farmgate: allow(blocking-fs) because it was needed once
    //~^ unused-silence
    std::thread::sleep(d()); //~ thread-sleep
}
