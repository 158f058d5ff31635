async fn f() -> std::fs::OpenOptions {
    std::fs::OpenOptions::new()
}
