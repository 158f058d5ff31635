fn pack(d: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(d, 3).unwrap_or_default()
}
async fn f(d: &[u8]) -> Vec<u8> {
    pack(d) //~ compression
}
