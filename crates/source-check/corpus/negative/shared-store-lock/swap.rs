use std::collections::HashMap;
use std::sync::Arc;
struct AppState {
    items: arc_swap::ArcSwap<HashMap<u64, u64>>,
}
