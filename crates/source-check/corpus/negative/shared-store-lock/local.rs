use std::collections::HashMap;
use std::sync::{Arc, Mutex};
fn f() {
    let items: Arc<Mutex<HashMap<u64, u64>>> = Arc::default();
    drop(items);
}
