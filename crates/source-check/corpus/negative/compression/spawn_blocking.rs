async fn f(d: Vec<u8>) {
    let _ = tokio::task::spawn_blocking(move || zstd::encode_all(&d[..], 3)).await;
}
