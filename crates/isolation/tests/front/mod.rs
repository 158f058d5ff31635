//! What stands in front of the testbed in some tests: a wire that can be cut, one that loses answers, and a load balancer
//! that may keep answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
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

/// Who wrote what.
type Posted = Arc<Mutex<Vec<(Option<HeaderValue>, Bytes)>>>;

/// Notes that are posted for each answer that is lost.
pub const LOST_ONE_IN: usize = 40;

/// A wire on which now and then a note is made and the answer lost. Returns its URL and the notes that were posted,
/// each with the credential of its writer.
pub async fn losing(service: SocketAddr) -> (String, Posted) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let posted = Posted::default();
    let noted = posted.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let noted = noted.clone();
            let passing = hyper::service::service_fn(move |request| lose(service, noted.clone(), request));
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), passing));
        }
    });
    (url, posted)
}

async fn lose(
    service: SocketAddr,
    posted: Posted,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let note = head.method == Method::POST && head.uri.path() == "/notes";
    let writer = head.headers.get("authorization").cloned();
    let answer = pass(service, None, Request::from_parts(head, Full::new(body.clone()))).await?;
    if note {
        let mut posted = posted.lock().await;
        posted.push((writer, body));
        if posted.len().is_multiple_of(LOST_ONE_IN) {
            // An error makes the server close the connection without an answer.
            return Err("lost".into());
        }
    }
    Ok(answer)
}

async fn pass<B>(
    service: SocketAddr,
    kept: Option<Kept>,
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, hyper::Error>
where
    B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
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
