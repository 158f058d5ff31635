use tokio::io::AsyncWriteExt;
async fn f(d: &[u8]) {
    let mut e = async_compression::tokio::write::GzipEncoder::new(Vec::new());
    e.write_all(d).await.unwrap();
}
