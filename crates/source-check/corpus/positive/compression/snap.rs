async fn f(d: &[u8]) {
    let mut e = snap::raw::Encoder::new();
    let _ = e.compress_vec(d); //~ compression
}
