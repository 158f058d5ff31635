async fn f() {
    // farmgate: allow(thread-sleep)
    //~^ invalid-silence
    std::thread::sleep(d()); //~ thread-sleep
}
