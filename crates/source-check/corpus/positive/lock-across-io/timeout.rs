use tokio::sync::Mutex;
struct App {
    n: Mutex<u64>,
    http: reqwest::Client,
    db: tokio_postgres::Client,
}
async fn f(a: &App, d: std::time::Duration) {
    let _n = a.n.lock().await; //~ lock-across-io
    let _ = tokio::time::timeout(d, a.http.get("http://x.test").send()).await;
}
