use std::sync::Arc;
struct AppState {
    items: Arc<dashmap::DashMap<u64, u64>>,
}
