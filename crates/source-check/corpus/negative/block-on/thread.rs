async fn f(h: tokio::runtime::Handle) {
    std::thread::spawn(move || h.block_on(async {}));
}
