use std::sync::{Arc, Mutex};
struct Clock {
    now: u64,
}
struct AppState {
    clock: Arc<Mutex<Clock>>,
}
