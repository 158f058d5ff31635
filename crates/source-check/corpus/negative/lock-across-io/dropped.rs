use tokio::sync::Mutex;
struct App {
    n: Mutex<u64>,
    http: reqwest::Client,
    db: tokio_postgres::Client,
}
async fn f(a: &App) {
    let n = a.n.lock().await;
    drop(n);
    let _ = a.db.query_one("select 1", &[]).await;
}
