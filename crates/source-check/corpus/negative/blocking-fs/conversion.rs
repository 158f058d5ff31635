async fn f(file: std::fs::File) -> tokio::fs::File {
    file.into()
}
