use std::sync::{Arc, Mutex};
struct AppState {
    db: Arc<Mutex<rusqlite::Connection>>, //~ shared-store-lock
}
