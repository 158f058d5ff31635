use parking_lot::RwLock;
async fn step() {}
struct App {
    n: RwLock<u64>,
}
async fn f(a: &App) {
    let n = a.n.write(); //~ guard-across-await blocking-lock
    step().await;
    drop(n);
}
