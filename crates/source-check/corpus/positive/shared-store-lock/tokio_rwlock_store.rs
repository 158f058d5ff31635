use std::sync::Arc;
use tokio::sync::RwLock;
struct ItemStore;
struct AppState {
    store: Arc<RwLock<ItemStore>>, //~ shared-store-lock
}
