//! A small proxy that breaks a healthy service on purpose, one fault at a time. HTTP/1.1 and WebSockets.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HeaderName, SET_COOKIE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is broken. `one_in` counts requests: 7 means every seventh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Answers 500 instead of asking the service.
    Failing { one_in: u64 },
    /// The answer comes this much later.
    Slow { one_in: u64, time: Duration },
    /// The body ends before its announced length.
    Truncated { one_in: u64 },
    /// The connection is closed instead of an answer.
    Dropped { one_in: u64 },
    /// A GET is answered with the body of an earlier GET of something else, or of somebody else.
    Swapped { one_in: u64 },
    /// A cache that knows paths and not people, and never forgets.
    SharedCache,
    /// Cookies are never set.
    NoCookies,
    /// A WebSocket is cut after the service has said this many bytes.
    CutSockets(u64),
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// An answer that was seen before: its path, the credentials of its asker, its body.
struct Seen {
    path: String,
    asker: String,
    body: Bytes,
}

#[derive(Default)]
struct Memory {
    requests: u64,
    last: Option<Seen>,
    cache: HashMap<String, Bytes>,
}

struct State {
    upstream: SocketAddr,
    fault: Fault,
    memory: Mutex<Memory>,
}

/// Starts a proxy before the service, on a thread and runtime of its own; returns its base URL. It lives as long as the
/// test process.
pub fn start(upstream: SocketAddr, fault: Fault) -> String {
    let state = Arc::new(State {
        upstream,
        fault,
        memory: Mutex::default(),
    });
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, state.clone()));
            }
        });
    });
    format!("http://{}", receive.recv().unwrap())
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, state.clone()));
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A client or service that went away is no fault of the proxy.
    drop(connection.await);
}

/// The body that goes out for an answer to a GET: its own, or, by the fault, that of an earlier one.
fn from_memory(state: &State, answered: Seen, swaps: bool) -> Bytes {
    let mut memory = state.memory.lock().unwrap();
    match state.fault {
        Fault::SharedCache => memory.cache.entry(answered.path).or_insert(answered.body).clone(),
        Fault::Swapped { .. } => {
            let other = memory
                .last
                .as_ref()
                .filter(|s| swaps && (s.path != answered.path || s.asker != answered.asker));
            let body = other.unwrap_or(&answered).body.clone();
            memory.last = Some(answered);
            body
        }
        _ => answered.body,
    }
}

/// An error makes the server close the connection without an answer.
async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, std::io::Error> {
    let number = {
        let mut memory = state.memory.lock().unwrap();
        memory.requests += 1;
        memory.requests
    };
    let hit = |one_in: u64| number.is_multiple_of(one_in);
    if request.headers().contains_key(UPGRADE) {
        return tunnel(request, &state).await;
    }
    match state.fault {
        Fault::Failing { one_in } if hit(one_in) => return Ok(broken()),
        Fault::Dropped { one_in } if hit(one_in) => return Err(std::io::Error::other("dropped")),
        Fault::Slow { one_in, time } if hit(one_in) => tokio::time::sleep(time).await,
        _ => {}
    }
    let is_get = request.method() == Method::GET;
    let path = request.uri().to_string();
    let asker = [AUTHORIZATION, COOKIE]
        .iter()
        .filter_map(|name| request.headers().get(name)?.to_str().ok())
        .collect::<String>();
    let (mut head, mut body) = ask(request, &state).await?;
    if state.fault == Fault::NoCookies {
        head.headers.remove(SET_COOKIE);
    }
    if is_get && head.status == StatusCode::OK {
        let swaps = matches!(state.fault, Fault::Swapped { one_in } if hit(one_in));
        body = from_memory(&state, Seen { path, asker, body }, swaps);
    }
    let truncated = matches!(state.fault, Fault::Truncated { one_in } if hit(one_in)) && body.len() > 1;
    if truncated {
        head.headers.insert(CONTENT_LENGTH, body.len().into());
        return Ok(Response::from_parts(head, half(body)));
    }
    Ok(Response::from_parts(head, whole(body)))
}

fn whole(body: Bytes) -> Body {
    Full::new(body)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// The first half, on its way before the connection is closed.
fn half(body: Bytes) -> Body {
    let begun = futures_util::stream::once(std::future::ready(Ok(Frame::data(body.slice(..body.len() / 2)))));
    let cut = futures_util::stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("cut"))
    });
    StreamBody::new(begun.chain(cut)).boxed_unsync()
}

fn broken() -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from_static(b"{\"error\": \"broken on purpose\"}")));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// One exchange with the service, over a connection of its own.
async fn ask(
    request: Request<Incoming>,
    state: &State,
) -> Result<(hyper::http::response::Parts, Bytes), std::io::Error> {
    let is_head = request.method() == Method::HEAD;
    let (mut sender, connection) = connect(state).await?;
    tokio::spawn(connection.with_upgrades());
    let response = sender
        .send_request(request)
        .await
        .map_err(std::io::Error::other)?;
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        HeaderName::from_static("keep-alive"),
    ] {
        head.headers.remove(name);
    }
    if !is_head {
        head.headers.remove(CONTENT_LENGTH);
    }
    Ok((head, body))
}

type Sender = hyper::client::conn::http1::SendRequest<Incoming>;
type Driver = hyper::client::conn::http1::Connection<TokioIo<TcpStream>, Incoming>;

async fn connect(state: &State) -> Result<(Sender, Driver), std::io::Error> {
    let stream = TcpStream::connect(state.upstream).await?;
    hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(std::io::Error::other)
}

/// Passes a switch of protocols on, then bytes both ways.
async fn tunnel(mut request: Request<Incoming>, state: &State) -> Result<Response<Body>, std::io::Error> {
    let client = hyper::upgrade::on(&mut request);
    let (mut sender, connection) = connect(state).await?;
    tokio::spawn(connection.with_upgrades());
    let mut response = sender
        .send_request(request)
        .await
        .map_err(std::io::Error::other)?;
    let service = hyper::upgrade::on(&mut response);
    let limit = match state.fault {
        Fault::CutSockets(bytes) => bytes,
        _ => u64::MAX,
    };
    tokio::spawn(async move {
        if let (Ok(client), Ok(service)) = (client.await, service.await) {
            let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
            let (from_service, mut to_service) = tokio::io::split(TokioIo::new(service));
            let mut from_service = from_service.take(limit);
            tokio::select! {
                _ = tokio::io::copy(&mut from_client, &mut to_service) => drop(to_service.shutdown().await),
                _ = tokio::io::copy(&mut from_service, &mut to_client) => drop(to_client.shutdown().await),
            }
        }
    });
    let (head, _) = response.into_parts();
    Ok(Response::from_parts(head, whole(Bytes::new())))
}
