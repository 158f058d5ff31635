async fn channel(mut receiver: tokio::sync::mpsc::Receiver<u8>) -> Option<u8> {
    receiver.recv().await
}
async fn polled(receiver: &std::sync::mpsc::Receiver<u8>) -> Option<u8> {
    receiver.try_recv().ok()
}
async fn tasks(mut set: tokio::task::JoinSet<u8>, words: &[&str]) -> String {
    set.join_next().await;
    words.join(" ")
}
fn thread() -> u8 {
    std::thread::spawn(|| 3).join().unwrap_or(0)
}
async fn elsewhere(barrier: std::sync::Arc<std::sync::Barrier>) {
    tokio::task::spawn_blocking(move || barrier.wait()).await.ok();
}
