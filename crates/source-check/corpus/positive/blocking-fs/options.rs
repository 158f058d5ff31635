async fn f() {
    let _ = std::fs::OpenOptions::new().append(true).open("x"); //~ blocking-fs
}
