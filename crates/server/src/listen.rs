//! Connections: accepting, their number, TLS, time-outs, and leaving in good order.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::body::Body;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::edge::{Edge, Peer};

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct ListenConfig {
    /// Connections open at once; more are closed on arrival.
    pub max_connections: usize,
    /// Time for a request's head, which is also how long an idle connection is kept, and for a TLS handshake.
    pub header_time: Duration,
    /// Largest head of a request, in bytes; at least 8192.
    pub max_head: usize,
    /// Longest time that running requests may take to end after the stop.
    pub drain: Duration,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_time: Duration::from_secs(30),
            max_head: 32 * 1024,
            drain: Duration::from_secs(30),
        }
    }
}

/// Serves connections until `stop`, then lets running requests end within the drain time or until `abort`.
pub async fn serve(
    listener: TcpListener,
    edge: Arc<Edge>,
    config: ListenConfig,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    let builder = Arc::new(builder(config));
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            edge.metrics().connections_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let watcher = graceful.watcher();
        let (builder, edge, tls, abort) = (
            Arc::clone(&builder),
            Arc::clone(&edge),
            tls.clone(),
            abort.clone(),
        );
        tokio::spawn(async move {
            let _slot = slot;
            let _open = OpenConnection::new(&edge);
            tokio::select! {
                () = abort.cancelled() => {}
                () = connection(stream, peer, builder, Arc::clone(&edge), config, tls, watcher) => {}
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = abort.cancelled() => {}
        () = tokio::time::sleep(config.drain) => abort.cancel(),
    }
}

/// Counts a connection for as long as it lives.
struct OpenConnection(Arc<crate::metrics::Metrics>);

impl OpenConnection {
    fn new(edge: &Edge) -> Self {
        edge.metrics().connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(edge.metrics()))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn builder(config: ListenConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let head = config.max_head.max(8192);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(config.header_time)
        .max_buf_size(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(config.header_time)
        .max_concurrent_streams(128)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX));
    builder
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    builder: Arc<Builder<TokioExecutor>>,
    edge: Arc<Edge>,
    config: ListenConfig,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _ = stream.set_nodelay(true);
    let peer = Peer {
        address: peer.ip(),
        https: tls.is_some(),
    };
    match tls {
        None => exchange(stream, peer, &builder, edge, watcher).await,
        Some(tls) => match tokio::time::timeout(config.header_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => exchange(stream, peer, &builder, edge, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn exchange<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: IO,
    peer: Peer,
    builder: &Builder<TokioExecutor>,
    edge: Arc<Edge>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let edge = Arc::clone(&edge);
        async move { Ok::<_, Infallible>(edge.handle(request.map(Body::new), peer).await) }
    });
    let served = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
