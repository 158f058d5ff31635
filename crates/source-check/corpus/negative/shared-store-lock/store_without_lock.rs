use std::sync::Arc;
struct ItemStore;
struct AppState {
    store: Arc<ItemStore>,
}
