async fn known(host: &str) -> bool {
    tokio::net::lookup_host((host, 80)).await.is_ok()
}
