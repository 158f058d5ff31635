use std::sync::{Arc, Mutex};
struct AppState {
    n: Arc<Mutex<u64>>,
}
