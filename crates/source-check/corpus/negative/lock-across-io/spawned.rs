use tokio::sync::Mutex;
struct App {
    n: Mutex<u64>,
    http: reqwest::Client,
    db: tokio_postgres::Client,
}
async fn f(a: &'static App) {
    let _n = a.n.lock().await;
    tokio::spawn(async move { a.http.get("http://x.test").send().await });
}
