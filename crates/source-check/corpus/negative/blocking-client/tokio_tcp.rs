use tokio::net::TcpStream;
async fn f() {
    let _ = TcpStream::connect("x.test:80").await;
}
