use std::collections::HashMap;
use std::sync::{Arc, Mutex};
struct AppState {
    // farmgate: allow(shared-store-lock) because it holds three entries and never grows
    items: Arc<Mutex<HashMap<u64, u64>>>,
}
