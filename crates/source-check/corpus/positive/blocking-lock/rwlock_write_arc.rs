use std::sync::{Arc, RwLock};
async fn f(n: Arc<RwLock<u64>>) {
    *n.write().unwrap() = 1; //~ blocking-lock
}
