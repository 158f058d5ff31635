async fn f(p: String) {
    let _ = tokio::task::spawn_blocking(move || bcrypt::hash(p, 12)).await;
}
