async fn f(mut rx: tokio::sync::mpsc::Receiver<u64>) {
    rx.blocking_recv(); //~ block-on
}
