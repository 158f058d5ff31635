use std::sync::MutexGuard;
async fn step() {}
async fn f(n: MutexGuard<'_, u64>) { //~ guard-across-await
    step().await;
    drop(n);
}
