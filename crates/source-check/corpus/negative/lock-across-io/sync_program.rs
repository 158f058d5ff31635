use std::sync::Mutex;
fn f(db: &Mutex<rusqlite::Connection>) {
    let _ = db.lock().unwrap().execute("delete from t", []);
}
