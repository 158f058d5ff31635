use std::collections::HashMap;
use std::sync::{Arc, Mutex};
struct Inner {
    by_id: HashMap<u64, u64>,
}
struct AppState {
    inner: Arc<Mutex<Inner>>, //~ shared-store-lock
}
