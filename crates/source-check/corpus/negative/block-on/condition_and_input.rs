use tokio::io::AsyncBufReadExt;
async fn pass(changed: &tokio::sync::Notify, barrier: &tokio::sync::Barrier) {
    changed.notified().await;
    barrier.wait().await;
}
async fn line() -> Option<String> {
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    lines.next_line().await.ok().flatten()
}
