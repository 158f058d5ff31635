use std::sync::Mutex;
async fn f(db: &Mutex<rusqlite::Connection>) {
    let db = db.lock().unwrap(); //~ lock-across-io blocking-lock
    let _ = db.execute("delete from t", []); //~ blocking-client
}
