use tokio::sync::Mutex;
async fn f(n: &Mutex<u64>, d: std::time::Duration) {
    if let Ok(mut n) = tokio::time::timeout(d, n.lock()).await {
        *n += 1;
    }
}
