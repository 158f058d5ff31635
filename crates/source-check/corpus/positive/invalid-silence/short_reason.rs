async fn page() {
    // farmgate: allow(blocking-fs) because ok
    //~^ invalid-silence
    let _ = std::fs::read("a"); //~ blocking-fs
}
