async fn f() {
    let _ = tokio::task::spawn_blocking(|| std::fs::read("x")).await;
}
