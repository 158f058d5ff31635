use tokio::sync::Mutex;
async fn f(db: &Mutex<tokio_postgres::Client>) {
    let db = db.lock().await; //~ lock-across-io
    let _ = db.execute("delete from t", &[]).await;
}
