use std::collections::HashMap;
use std::sync::{Arc, Mutex};
struct AppState {
    shards: Arc<[Mutex<HashMap<u64, u64>>]>,
}
