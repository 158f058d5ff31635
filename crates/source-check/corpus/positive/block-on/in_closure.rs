async fn f(h: tokio::runtime::Handle, x: Option<u64>) {
    x.map(|_| h.block_on(async {})); //~ block-on
}
