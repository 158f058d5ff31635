use tokio::sync::Mutex;
async fn f(n: &Mutex<u64>) {
    *n.lock().await += 1;
}
