use std::sync::{Arc, Mutex};
struct AppState {
    task: Arc<Mutex<Option<tokio::task::JoinHandle<()>>>>,
}
