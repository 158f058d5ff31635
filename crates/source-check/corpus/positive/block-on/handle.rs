async fn f(h: tokio::runtime::Handle) {
    h.block_on(async {}); //~ block-on
}
