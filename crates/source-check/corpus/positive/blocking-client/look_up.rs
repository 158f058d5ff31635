use std::net::ToSocketAddrs;
async fn known(host: &str) -> bool {
    (host, 80).to_socket_addrs().is_ok() //~ blocking-client
}
async fn literal() -> bool {
    "a.test:80".to_socket_addrs().is_ok() //~ blocking-client
}
