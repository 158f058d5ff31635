async fn f(c: rusqlite::Connection) {
    let _ = tokio::task::spawn_blocking(move || c.execute("delete from t", [])).await;
}
