use std::sync::Arc;
use parking_lot::Mutex;
struct Item;
struct AppState {
    items: Arc<Mutex<Vec<Item>>>, //~ shared-store-lock
}
