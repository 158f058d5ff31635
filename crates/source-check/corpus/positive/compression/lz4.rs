async fn f(d: &[u8]) -> Vec<u8> {
    lz4_flex::compress_prepend_size(d) //~ compression
}
