async fn f() {
    let _ = std::fs::read("x"); //~ blocking-fs
}
