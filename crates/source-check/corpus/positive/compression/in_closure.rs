async fn f(parts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    parts.iter().map(|part| lz4_flex::compress(part)).collect() //~ compression
}
