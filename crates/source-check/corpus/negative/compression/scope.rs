async fn f(d: &[u8]) {
    std::thread::scope(|scope| {
        scope.spawn(|| zstd::encode_all(d, 3));
    });
}
