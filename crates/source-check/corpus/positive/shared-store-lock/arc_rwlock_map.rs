use std::collections::HashMap;
use std::sync::{Arc, RwLock};
struct AppState {
    items: Arc<RwLock<HashMap<u64, String>>>, //~ shared-store-lock
}
