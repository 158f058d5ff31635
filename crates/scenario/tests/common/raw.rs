//! Servers that answer with bytes of the test's choice, right or wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Accepts connections and hands each to a task of the given kind.
pub async fn serve<F, T>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// Reads up to the end of a request's head; false if the client has left.
pub async fn head(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => seen.push(byte[0]),
            _ => return false,
        }
    }
    true
}

/// Answers every request of a connection with the same bytes, then closes if told.
pub async fn answering(bytes: &'static [u8], close: bool) -> SocketAddr {
    serve(move |mut stream| async move {
        while head(&mut stream).await {
            let sent = stream.write_all(bytes).await;
            if close || sent.is_err() {
                break;
            }
        }
    })
    .await
}

/// After the head sends the same piece for ever, with a pause in between.
pub async fn dripping(first: &'static [u8], piece: &'static [u8], pause_ms: u64) -> SocketAddr {
    serve(move |mut stream| async move {
        head(&mut stream).await;
        let mut sent = stream.write_all(first).await;
        while sent.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
            sent = stream.write_all(piece).await;
        }
    })
    .await
}

/// A TLS server for `localhost` with a certificate of its own; returns that as PEM.
pub async fn tls(alpn: &[&str]) -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_http(stream).await;
            }
        }
    })
    .await;
    (address, made.cert.pem())
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    use http_body_util::Full;
    let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
        let text = format!("{:?}", request.version());
        Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(bytes::Bytes::from(text))))
    });
    let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
    drop(
        builder
            .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
            .await,
    );
}
