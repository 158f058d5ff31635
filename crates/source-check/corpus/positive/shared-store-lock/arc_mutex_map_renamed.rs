use std::collections::BTreeMap as Tree;
use std::sync::Arc;
use std::sync::Mutex as M;
struct AppState {
    items: Arc<M<Tree<u64, String>>>, //~ shared-store-lock
}
