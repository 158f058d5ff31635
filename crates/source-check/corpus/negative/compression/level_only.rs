async fn f() -> flate2::Compression {
    flate2::Compression::default()
}
