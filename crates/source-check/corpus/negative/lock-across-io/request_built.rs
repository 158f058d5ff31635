use tokio::sync::Mutex;
struct App {
    n: Mutex<u64>,
    http: reqwest::Client,
    db: tokio_postgres::Client,
}
async fn f(a: &App) {
    let request = {
        let _n = a.n.lock().await;
        a.http.get("http://x.test")
    };
    let _ = request.send().await;
}
