async fn f(tx: tokio::sync::mpsc::Sender<u64>) {
    let _ = tx.blocking_send(1); //~ block-on
}
