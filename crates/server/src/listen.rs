//! Connections: accepting, their number, TLS, time-outs, and leaving in good order. What answers is a [`Service`].

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{body::Body, response::Response};
use futures_util::future::BoxFuture;
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

use crate::{
    edge::{Edge, Peer},
    metrics::Metrics,
    redirect::Redirect,
};

/// What answers on a listener.
#[derive(Clone)]
pub enum Service {
    /// Routes.
    Edge(Arc<Edge>),
    /// Nothing but the way to HTTPS.
    Redirect(Arc<Redirect>),
}

impl Service {
    async fn answer(&self, request: Request<Body>, peer: Peer) -> Response {
        match self {
            Self::Edge(edge) => edge.handle(request, peer).await,
            Self::Redirect(redirect) => redirect.answer(&request),
        }
    }

    fn metrics(&self) -> &Arc<Metrics> {
        match self {
            Self::Edge(edge) => edge.metrics(),
            Self::Redirect(redirect) => redirect.metrics(),
        }
    }
}

impl From<Arc<Edge>> for Service {
    fn from(edge: Arc<Edge>) -> Self {
        Self::Edge(edge)
    }
}

impl From<Arc<Redirect>> for Service {
    fn from(redirect: Arc<Redirect>) -> Self {
        Self::Redirect(redirect)
    }
}

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct ListenConfig {
    /// Connections open at once; more are closed on arrival.
    pub max_connections: usize,
    /// Time for a request's head, which is also how long an idle connection is kept, and for a TLS handshake.
    pub header_time: Duration,
    /// Largest head of a request, in bytes; at least 8192.
    pub max_head: usize,
    /// How long connections are still accepted after the stop, so that load balancers notice first.
    pub unready: Duration,
    /// Longest time that running requests may take to end after that.
    pub drain: Duration,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_time: Duration::from_secs(30),
            max_head: 32 * 1024,
            unready: Duration::ZERO,
            drain: Duration::from_secs(30),
        }
    }
}

/// Serves connections until `stop`, then lets running requests end within the drain time or until `abort`.
///
/// On the heap, so that what connections need is compiled here and not in every crate that serves.
pub fn serve(
    listener: TcpListener,
    service: Service,
    config: ListenConfig,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    abort: CancellationToken,
) -> BoxFuture<'static, ()> {
    Box::pin(accept(listener, service, config, tls, stop, abort))
}

async fn accept(
    listener: TcpListener,
    service: Service,
    config: ListenConfig,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    let closing = closing(config.unready, &stop, &abort);
    let mut closing = std::pin::pin!(closing);
    let builder = Arc::new(builder(config));
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = &mut closing => break,
            accepted = listener.accept() => accepted,
        };
        let Some((stream, peer)) = arrived(accepted).await else {
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            service
                .metrics()
                .connections_refused
                .fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let watcher = graceful.watcher();
        let (builder, service, tls, abort) =
            (Arc::clone(&builder), service.clone(), tls.clone(), abort.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let _open = OpenConnection::new(service.metrics());
            tokio::select! {
                () = abort.cancelled() => {}
                () = connection(stream, peer, builder, service, config, tls, watcher) => {}
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

/// The connection; without one, for want of files perhaps, a moment passes before the next is asked for.
async fn arrived(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
    }
}

/// Ends when no more connections are to be accepted: some time after the stop, or at once when all is to end.
pub async fn closing(unready: Duration, stop: &CancellationToken, abort: &CancellationToken) {
    let later = async {
        stop.cancelled().await;
        tokio::time::sleep(unready).await;
    };
    tokio::select! {
        () = later => {}
        () = abort.cancelled() => {}
    }
}

/// Counts a connection for as long as it lives.
struct OpenConnection(Arc<Metrics>);

impl OpenConnection {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(metrics))
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
    service: Service,
    config: ListenConfig,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _ = stream.set_nodelay(true);
    let peer = Peer {
        address: peer.ip().to_canonical(),
        https: tls.is_some(),
    };
    match tls {
        None => exchange(stream, peer, &builder, service, watcher).await,
        Some(tls) => match tokio::time::timeout(config.header_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => exchange(stream, peer, &builder, service, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn exchange<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: IO,
    peer: Peer,
    builder: &Builder<TokioExecutor>,
    service: Service,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request.map(Body::new), peer).await) }
    });
    let served = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
