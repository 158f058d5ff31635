async fn f() {
    let _ = tokio::fs::read("x").await;
}
