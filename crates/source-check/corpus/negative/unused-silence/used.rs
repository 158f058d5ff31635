async fn f() {
    // farmgate: allow(blocking-fs) because nothing is served yet
    let _ = std::fs::read("x");
}
