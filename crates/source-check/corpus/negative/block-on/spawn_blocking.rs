async fn f(h: tokio::runtime::Handle) {
    tokio::task::spawn_blocking(move || h.block_on(async {})).await.ok();
}
