use std::collections::HashMap;
use std::sync::{Arc, RwLock};
type Items = Arc<RwLock<HashMap<u64, u64>>>; //~ shared-store-lock
struct AppState {
    items: Items,
}
