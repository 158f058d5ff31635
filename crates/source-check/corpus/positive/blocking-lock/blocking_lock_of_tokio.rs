use tokio::sync::Mutex;
async fn f(n: &Mutex<u64>) {
    *n.blocking_lock() += 1; //~ blocking-lock
}
