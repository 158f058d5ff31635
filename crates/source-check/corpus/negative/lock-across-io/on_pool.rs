use std::sync::{Arc, Mutex};
async fn f(db: Arc<Mutex<rusqlite::Connection>>) {
    let work = move || db.lock().unwrap().execute("delete from t", []);
    let _ = tokio::task::spawn_blocking(work).await;
}
