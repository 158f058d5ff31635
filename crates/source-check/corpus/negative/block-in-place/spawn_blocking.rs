async fn f() {
    tokio::task::spawn_blocking(|| 1).await.ok();
}
