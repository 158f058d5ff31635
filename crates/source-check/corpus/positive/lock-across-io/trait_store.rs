use tokio::sync::Mutex;
struct App {
    n: Mutex<u64>,
    http: reqwest::Client,
    db: tokio_postgres::Client,
}
trait Store {
    async fn save(&self);
}
impl Store for App {
    async fn save(&self) {
        let _ = self.db.execute("insert", &[]).await;
    }
}
async fn f(n: &Mutex<u64>, store: &impl Store) {
    let _n = n.lock().await; //~ lock-across-io
    store.save().await;
}
