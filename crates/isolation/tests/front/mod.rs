//! What stands in front of the testbed in some tests: a wire that can be cut, and a load balancer that may keep answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Connections that are refused before a restart ends. The storm tears some of its requests itself and does not count
/// those as trouble: of so many, one at least was not torn.
const REFUSED: usize = 12;

/// A wire to the service. When the marked file appears, all connections are cut, and the next ones refused; then the file
/// is removed, and the wire is there again. Returns its URL and the number of cuts.
pub async fn restarting(service: SocketAddr, mark: PathBuf) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = cuts.clone();
    tokio::spawn(async move {
        let mut wires = JoinSet::new();
        let mut look = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                Ok((mut near, _)) = listener.accept() => {
                    wires.spawn(async move {
                        let mut far = TcpStream::connect(service).await?;
                        tokio::io::copy_bidirectional(&mut near, &mut far).await
                    });
                }
                _ = look.tick() => if mark.exists() {
                    wires.shutdown().await;
                    for _ in 0..REFUSED {
                        drop(listener.accept().await.unwrap());
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    std::fs::remove_file(&mark).unwrap();
                },
            }
        }
    });
    (url, cuts)
}

type Kept = Arc<Mutex<HashMap<String, Bytes>>>;

/// A load balancer; one that `keeps` answers gives the first one of each path to everybody. Returns its URL.
pub async fn balancer(service: SocketAddr, keeps: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let kept = keeps.then(Kept::default);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let kept = kept.clone();
            let passing = hyper::service::service_fn(move |request| pass(service, kept.clone(), request));
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), passing));
        }
    });
    url
}

async fn pass(
    service: SocketAddr,
    kept: Option<Kept>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().to_string();
    let cacheable = request.method() == Method::GET;
    if let Some(kept) = &kept
        && let Some(body) = kept.lock().await.get(&path).filter(|_| cacheable)
    {
        return Ok(Response::new(Full::new(body.clone())));
    }
    let stream = TcpStream::connect(service).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    if let Some(kept) = kept.filter(|_| cacheable && head.status == 200) {
        kept.lock().await.insert(path, body.clone());
    }
    Ok(Response::from_parts(head, Full::new(body)))
}
