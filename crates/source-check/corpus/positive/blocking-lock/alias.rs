use std::sync::{Arc, Mutex};
type Shared<T> = Arc<Mutex<T>>;
async fn f(n: Shared<u64>) {
    *n.lock().unwrap() += 1; //~ blocking-lock
}
