mod sync {
    pub use std::sync::Mutex as Lock;
}
use sync::Lock;
async fn f(n: &Lock<u64>) {
    *n.lock().unwrap() += 1; //~ blocking-lock
}
