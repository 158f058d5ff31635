fn f(d: &[u8]) {
    let _ = zstd::encode_all(d, 3);
}
