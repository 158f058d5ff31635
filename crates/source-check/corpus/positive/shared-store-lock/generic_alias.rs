use std::collections::HashMap;
use std::sync::{Arc, RwLock};
type Shared<T> = Arc<RwLock<T>>;
type Locked<T> = RwLock<T>;
struct AppState {
    items: Shared<HashMap<u64, String>>, //~ shared-store-lock
    events: Arc<Locked<HashMap<u64, String>>>, //~ shared-store-lock
    served: Shared<u64>,
}
