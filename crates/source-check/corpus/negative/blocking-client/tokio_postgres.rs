async fn f(c: &tokio_postgres::Client) {
    let _ = c.query("select 1", &[]).await;
}
