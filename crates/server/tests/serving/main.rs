//! Serving to the world: TLS and the way to it, proxies, a full server. Certificates that are renewed and compression
//! stand beside.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod compression;
mod renewal;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use domain::{
    identity::{ApiScope, Cidr, Role},
    ids::{SessionId, UserId, WorkspaceId},
    tier::Tier,
};
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use server::{
    Ctx, Json, Operation, Policy, Routes,
    caller::{AuthError, AuthRequest, Authenticated, Authenticator, Caller, Credential, Presented},
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside, Peer, Quotas},
    fair::FairLimits,
    listen::{ListenConfig, Service, serve},
    rate::{Quota, decide},
    redirect::Redirect,
    testing::{TestClock, TestIds},
    tls,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Believes every credential.
struct Trusting;

impl Authenticator for Trusting {
    fn authenticate<'a>(
        &'a self,
        presented: Presented<'a>,
        _: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
        let session = SessionId::from(Uuid::from_u128(3));
        let credential = match presented {
            Presented::Cookie(_) => Credential::Cookie(session),
            _ => Credential::Token(session),
        };
        let caller = Caller {
            user_id: UserId::from(Uuid::from_u128(1)),
            workspace_id: WorkspaceId::from(Uuid::from_u128(2)),
            role: Role::Owner,
            tier: Tier::Basic,
            platform_admin: false,
            credential,
        };
        Box::pin(async {
            Ok(Authenticated {
                caller: Arc::new(caller),
                own_rate: None,
            })
        })
    }
}

async fn large() -> Json<Value> {
    Json(json!({"data": vec!["Fazenda Boa Vista"; 1000]}))
}
async fn small() -> Json<Value> {
    Json(json!({"data": "Fazenda Boa Vista"}))
}
async fn tagged() -> Response {
    ([(header::ETAG, "\"1\"")], large().await).into_response()
}
async fn signs_in() -> Response {
    ([(header::SET_COOKIE, "session=secret")], large().await).into_response()
}
async fn streamed() -> Response {
    let parts =
        (0..100).map(|_| Ok::<_, std::convert::Infallible>("data: \"Fazenda Boa Vista\"\n\n".repeat(10)));
    let body = Body::from_stream(futures_util::stream::iter(parts));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
async fn place(ctx: Ctx) -> Json<Value> {
    Json(json!({"address": ctx.address, "https": ctx.https()}))
}
async fn hangs() -> Json<Value> {
    std::future::pending().await
}

fn edge(config: EdgeConfig) -> Arc<Edge> {
    let doc = || Operation::new("test", "Tests").returns::<Value>(200);
    let viewer = || Policy::viewer(ApiScope::ItemsRead);
    let routes = Routes::<()>::new()
        .get("/large", viewer(), doc(), large)
        .get("/small", viewer(), doc(), small)
        .get("/tagged", viewer(), doc(), tagged)
        .get("/signs-in", viewer(), doc(), signs_in)
        .get("/streamed", viewer(), doc(), streamed)
        .get("/place", Policy::public(), doc(), place)
        .get("/hangs", Policy::public(), doc(), hangs);
    let outside = Outside::new(
        Arc::new(TestClock::default()),
        Arc::new(TestIds::new(1)),
        Arc::new(Trusting),
        Csrf::new([1; 32]),
    );
    Edge::new(routes.bind(()), config, outside).unwrap()
}

/// A listener on a free port, and what ends it.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(service: impl Into<Service>, tls: Option<tls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, service) = (listener.local_addr().unwrap(), service.into());
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let config = ListenConfig {
            drain: Duration::ZERO,
            ..ListenConfig::default()
        };
        let task = tokio::spawn(serve(listener, service, config, tls, stop.clone(), abort));
        Self { address, stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Sends plain bytes and gives all that comes back.
    async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server may cut the connection after its answer; what came before counts.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).to_lowercase()
    }
}

/// A certificate for `localhost` that signs itself: acceptor, and what a client must trust.
fn certificate() -> (tls::TlsAcceptor, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
        .unwrap();
    (
        tls::acceptor(certificate.as_bytes(), key.as_bytes()).unwrap(),
        roots,
    )
}

async fn over_tls(
    address: SocketAddr,
    roots: RootCertStore,
    protocol: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

/// Asks for `/place` over HTTP/2, and ends the connection.
async fn place_over_http2(
    stream: tokio_rustls::client::TlsStream<TcpStream>,
) -> (http::response::Parts, Value) {
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let traffic = tokio::spawn(connection);
    let request = Request::get("https://localhost/place")
        .body(Body::empty())
        .unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(client);
    traffic.await.unwrap().unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn tls_speaks_both_versions_of_http_and_says_to_stay() {
    let (acceptor, roots) = certificate();
    let running = Running::start(edge(EdgeConfig::default()), Some(acceptor)).await;
    let stream = over_tls(running.address, roots.clone(), b"h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (head, body) = place_over_http2(stream).await;
    assert_eq!((head.status, head.version), (StatusCode::OK, Version::HTTP_2));
    assert!(
        head.headers[header::STRICT_TRANSPORT_SECURITY]
            .to_str()
            .unwrap()
            .starts_with("max-age=")
    );
    assert_eq!(body["https"], true);

    let mut stream = over_tls(running.address, roots, b"http/1.1").await;
    let request = b"GET /place HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"https\":true"),
        "{answer}"
    );

    let plain = running
        .raw("GET /place HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert!(!plain.contains("200"), "plain HTTP got an answer: {plain}");
    running.end().await;
}

#[tokio::test]
async fn plain_http_is_sent_on_to_https() {
    let redirect = |port| Redirect::new(port, Arc::clone(edge(EdgeConfig::default()).metrics()));
    let running = Running::start(redirect(8443), None).await;
    let answer = running
        .raw("POST /a/b?c=d HTTP/1.1\r\nhost: farm.example:8080\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("http/1.1 308"), "{answer}");
    assert!(
        answer.contains("location: https://farm.example:8443/a/b?c=d\r\n"),
        "{answer}"
    );
    let answer = running.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        answer.starts_with("http/1.0 400") && !answer.contains("location"),
        "{answer}"
    );
    running.end().await;

    let running = Running::start(redirect(443), None).await;
    let answer = running
        .raw("GET / HTTP/1.1\r\nhost: [::1]\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.contains("location: https://[::1]/\r\n"), "{answer}");
    running.end().await;
}

const PROXY: &str = "10.0.0.9";

fn behind_a_proxy() -> EdgeConfig {
    EdgeConfig {
        trusted_proxies: vec!["10.0.0.0/8".parse::<Cidr>().unwrap()],
        quotas: Some(Quotas {
            anonymous: Quota::per_minute(2),
            ..Quotas::default()
        }),
        ..EdgeConfig::default()
    }
}

async fn ask(
    edge: &Edge,
    path: &str,
    peer: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    ask_with("GET", edge, path, peer, headers).await
}

async fn ask_with(
    method: &str,
    edge: &Edge,
    path: &str,
    peer: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer = Peer {
        address: peer.parse::<IpAddr>().unwrap(),
        https: false,
    };
    let answer = edge.handle(request.body(Body::empty()).unwrap(), peer).await;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, body.to_vec())
}

#[tokio::test]
async fn only_configured_proxies_are_believed() {
    let cases = [
        // The other end of the connection, what it says, who asks.
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        (PROXY, "198.51.100.7", "198.51.100.7"),
        (PROXY, "203.0.113.66, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        (PROXY, "10.1.1.1", "10.1.1.1"),
        (PROXY, "198.51.100.7, nonsense", PROXY),
        (PROXY, "::ffff:198.51.100.7", "198.51.100.7"),
        (PROXY, "2001:db8::7", "2001:db8::7"),
    ];
    for (peer, forwarded, expected) in cases {
        let edge = edge(behind_a_proxy());
        let (_, _, body) = ask(&edge, "/place", peer, &[("x-forwarded-for", forwarded)]).await;
        let found: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found["address"], expected, "{peer} says {forwarded}");
    }
    let edge = edge(behind_a_proxy());
    for (peer, https) in [("192.0.2.1", false), (PROXY, true)] {
        let (_, headers, body) = ask(&edge, "/place", peer, &[("x-forwarded-proto", "https")]).await;
        let found: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found["https"], https, "{peer}");
        assert_eq!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY), https);
    }
}

#[tokio::test]
async fn a_client_cannot_leave_its_limit_by_naming_another_address() {
    let edge = edge(behind_a_proxy());
    for (number, expected) in [(1, 200), (2, 200), (3, 429)] {
        let forwarded = format!("203.0.113.{number}");
        let (status, ..) = ask(&edge, "/place", "192.0.2.1", &[("x-forwarded-for", &forwarded)]).await;
        assert_eq!(status, expected, "a stranger's header counts for nothing");
        let behind = format!("203.0.113.{number}, 198.51.100.7");
        let (status, ..) = ask(&edge, "/place", PROXY, &[("x-forwarded-for", &behind)]).await;
        assert_eq!(status, expected, "nor does what a client told the proxy");
    }
    let (status, ..) = ask(&edge, "/place", PROXY, &[("x-forwarded-for", "198.51.100.8")]).await;
    assert_eq!(status, 200, "another client of the same proxy has its own");
}

const BEARER: (&str, &str) = ("authorization", "Bearer t");

#[tokio::test]
async fn a_full_server_says_so_at_once_and_when_to_come_back() {
    assert!(FairLimits::default().wait <= Duration::from_millis(50));
    for waiting in [0, 8] {
        let fair = FairLimits {
            per_caller: 8,
            total: 1,
            waiting,
            ..FairLimits::default()
        };
        let edge = edge(EdgeConfig {
            fair,
            ..EdgeConfig::default()
        });
        let mut first = Box::pin(ask(&edge, "/hangs", "127.0.0.1", &[]));
        assert!(futures_util::FutureExt::now_or_never(&mut first).is_none());
        let start = Instant::now();
        let (status, headers, body) = ask(&edge, "/place", "127.0.0.1", &[]).await;
        let took = start.elapsed();
        assert_eq!(status, 503);
        assert_eq!(headers[header::RETRY_AFTER], "1");
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap()["code"],
            "unavailable"
        );
        // The bound itself is the first assertion; this one sees that nothing else waits, even on a busy machine.
        assert!(took < Duration::from_secs(2), "{took:?}");
        drop(first);
        assert_eq!(
            ask(&edge, "/place", "127.0.0.1", &[]).await.0,
            200,
            "the slot came back"
        );
    }
}

#[test]
fn a_clock_that_was_set_back_locks_nobody_out() {
    let (quota, hour) = (Quota::per_minute(60), 3_600_000_000);
    let (first, tat) = decide(hour, hour, quota);
    assert!(first.allowed);
    let (after, next) = decide(tat, 0, quota);
    assert!(after.allowed && next < 60_000_000, "{after:?}");
    assert!(
        !decide(60_000_000, 0, quota).0.allowed,
        "a full minute ahead is used up"
    );
}
