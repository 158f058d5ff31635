use std::sync::{Arc, Mutex};
struct AppState {
    buffer: Arc<Mutex<Vec<u8>>>,
}
