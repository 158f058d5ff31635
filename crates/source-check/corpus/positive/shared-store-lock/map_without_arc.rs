use std::collections::HashMap;
use std::sync::Mutex;
struct AppState {
    items: Mutex<HashMap<u64, u64>>, //~ shared-store-lock
}
