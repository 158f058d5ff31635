use parking_lot::Mutex;
struct App {
    shards: Vec<Mutex<u64>>,
}
async fn f(a: &App) {
    for shard in &a.shards {
        *shard.lock() += 1; //~ blocking-lock
    }
}
