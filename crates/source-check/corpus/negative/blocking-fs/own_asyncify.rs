fn spawn_blocking<F: FnOnce() + Send + 'static>(_work: F) -> u64 {
    1
}
async fn asyncify<F: FnOnce() + Send + 'static>(work: F) -> u64 {
    match spawn_blocking(work) {
        0 => 1,
        n => n,
    }
}
async fn f() {
    asyncify(|| drop(std::fs::read("x"))).await;
}
