use tokio::sync::Mutex;
async fn f(db: &Mutex<tokio_postgres::Client>) {
    let _ = db.lock().await.execute("delete from t", &[]).await; //~ lock-across-io
}
