//! Health, version, metrics and documents; idempotency keys; bodies over a socket; the request log; shared limits away.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, extract::State};
use domain::{
    identity::{ApiScope, Role},
    ids::{IdSource, SessionId, Timestamp, UserId, WorkspaceId},
    tier::Tier,
};
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use server::{
    Json, Operation, Policy, Routes,
    caller::{AuthError, AuthRequest, Authenticated, Authenticator, Caller, Credential, Presented},
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside},
    idempotency::{Answer, Claim, Key, Store, StoreError},
    listen::{ListenConfig, serve},
    rate_shared::{PATIENCE, RedisLimiter},
    request_log::{Format, LogWriter, RequestLog, Which},
    served::{Latches, MetricsAccess, Probe, Served, Version},
    spans::{LostSpans, RequestSpan, TraceSink},
    testing::{TestClient, TestClock, TestIds},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

struct Everybody;
impl Authenticator for Everybody {
    fn authenticate<'a>(
        &'a self,
        _: Presented<'a>,
        _: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
        let ids = TestIds::new(1);
        let caller = Caller {
            user_id: UserId::generate(&ids),
            workspace_id: WorkspaceId::generate(&ids),
            role: Role::Owner,
            tier: Tier::Basic,
            platform_admin: false,
            credential: Credential::Token(SessionId::generate(&ids)),
        };
        async {
            Ok(Authenticated {
                caller: Arc::new(caller),
                own_rate: None,
            })
        }
        .boxed()
    }
}

type Claimed = ([u8; 32], Option<Answer>);

/// Keeps keys in memory.
#[derive(Default)]
struct Memory(Mutex<HashMap<Key, Claimed>>);
impl Store for Memory {
    fn claim<'a>(
        &'a self,
        key: &'a Key,
        request: [u8; 32],
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Claim, StoreError>> {
        let mut known = self.0.lock().unwrap();
        let claim = match known.get(key) {
            None => Claim::Fresh,
            Some((hash, _)) if *hash != request => Claim::Mismatch,
            Some((_, None)) => Claim::Running,
            Some((_, Some(answer))) => Claim::Done(answer.clone()),
        };
        known.entry(key.clone()).or_insert((request, None));
        async { Ok(claim) }.boxed()
    }
    fn finish<'a>(
        &'a self,
        key: &'a Key,
        answer: Answer,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.lock().unwrap().get_mut(key).unwrap().1 = Some(answer);
        async { Ok(()) }.boxed()
    }
    fn forget<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.lock().unwrap().remove(key);
        async { Ok(()) }.boxed()
    }
}

struct Stage {
    edge: Arc<Edge>,
    clock: Arc<TestClock>,
    latches: Latches,
    database_up: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<u8>>>,
    traces: Arc<Kept>,
}

/// Keeps the traces it is given.
#[derive(Default)]
struct Kept(Mutex<Vec<RequestSpan>>);
impl TraceSink for Kept {
    fn samples(&self, _: u128) -> bool {
        false
    }
    fn record(&self, span: RequestSpan) {
        self.0.lock().unwrap().push(span);
    }
    fn lost(&self) -> LostSpans {
        LostSpans { queue: 7, sending: 8 }
    }
}

impl Stage {
    /// The first line of the log, once it is written.
    async fn line(&self) -> Value {
        let written = tokio::time::timeout(Duration::from_secs(5), async {
            while self.log.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
        });
        written.await.unwrap();
        serde_json::from_slice(&self.log.lock().unwrap()).unwrap()
    }

    fn client(&self) -> TestClient {
        TestClient::new(Arc::clone(&self.edge))
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Vec<u8>>>);
impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn count(State(calls): State<Arc<AtomicU32>>, Json(body): Json<Value>) -> Json<Value> {
    Json(json!({"call": calls.fetch_add(1, Ordering::Relaxed), "got": body}))
}

async fn hangs() -> Json<Value> {
    std::future::pending().await
}

/// A database that answers while it is up, and a cache that never does.
fn probes(database_up: &Arc<AtomicBool>) -> Vec<Probe> {
    let up = Arc::clone(database_up);
    let database = Probe::critical("database", move || {
        let up = up.load(Ordering::Relaxed);
        async move { if up { Ok(()) } else { Err("no answer".to_owned()) } }.boxed()
    });
    let cache = Probe::helpful("cache", || async { Err("away".to_owned()) }.boxed());
    vec![database, cache]
}

fn routes() -> server::routes::BoundRoutes {
    let writes = Operation::new("test", "Counts")
        .body::<Value>()
        .returns::<Value>(200);
    let policy = Policy::member(ApiScope::ItemsWrite).body_limit(1000);
    Routes::new()
        .post("/w", policy, writes, count)
        .get("/hangs", Policy::public(), Operation::new("test", "Hangs"), hangs)
        .bind(Arc::new(AtomicU32::new(0)))
}

fn stage(config: EdgeConfig) -> Stage {
    let (clock, latches) = (Arc::new(TestClock::default()), Latches::default());
    let database_up = Arc::new(AtomicBool::new(true));
    let served = Served::new(
        Version::of_build("sqlite".to_owned(), 5),
        probes(&database_up),
        latches.clone(),
        Arc::clone(&clock) as Arc<_>,
        Vec::new(),
    );
    let log = Arc::new(Mutex::new(Vec::new()));
    let (writer, _) = LogWriter::start(Shared(Arc::clone(&log))).unwrap();
    let ids: Arc<dyn IdSource> = Arc::new(TestIds::new(2));
    let mut outside = Outside::new(
        Arc::clone(&clock) as Arc<_>,
        ids,
        Arc::new(Everybody),
        Csrf::new([1; 32]),
    );
    outside.idempotency = Some(Arc::new(Memory::default()));
    outside.log = Some(RequestLog::new(writer, Format::Json, Which::All));
    let traces = Arc::new(Kept::default());
    outside.traces = Some(Arc::clone(&traces) as Arc<_>);
    outside.shared_limits = Some(Arc::new(
        RedisLimiter::new("redis://127.0.0.1:1", None, PATIENCE).unwrap(),
    ));
    let edge = Edge::new(
        routes().merge(served.routes(MetricsAccess::Anybody)),
        config,
        outside,
    )
    .unwrap();
    served.attach(&edge);
    Stage {
        edge,
        clock,
        latches,
        database_up,
        log,
        traces,
    }
}

#[tokio::test]
async fn health_is_probed_and_readiness_latches() {
    let stage = stage(EdgeConfig::default());
    let client = stage.client();
    let answer = client.get("/health").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["status"].as_str()),
        (200, Some("degraded"))
    );
    stage.database_up.store(false, Ordering::Relaxed);
    assert_eq!(client.get("/health").await.status, 200, "believed for a second");
    stage.clock.advance(Duration::from_secs(1));
    let answer = client.get("/health").await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["status"].as_str()),
        (503, Some("unhealthy"))
    );
    assert_eq!(answer.json()["components"]["database"]["problem"], "no answer");
    assert_eq!(client.get("/health/db").await.status, 503);
    assert_eq!(client.get("/health/live").await.status, 200);
    assert_eq!(client.get("/health/ready").await.status, 200);
    stage.latches.hold("migrations");
    assert_eq!(
        client.get("/health/ready").await.json()["waiting_for"],
        json!(["migrations"])
    );
    stage.latches.open("migrations");
    assert_eq!(client.get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn version_metrics_and_documents_are_served() {
    let stage = stage(EdgeConfig::default());
    let client = stage.client();
    assert_eq!(client.get("/version").await.json()["engine"], "sqlite");
    let text = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    assert!(
        text.contains(r#"http_requests_total{method="GET",route="/version",status="200"} 1"#),
        "{text}"
    );
    assert!(text.contains("process_resident_memory_bytes") && text.ends_with("# EOF\n"));
    let summary = client
        .clone()
        .with("accept", "application/json")
        .get("/metrics")
        .await
        .json();
    assert_eq!(summary["requests_total"], 2);
    assert!(summary["process"]["resident_bytes"].as_i64().unwrap() > 0);
    assert_eq!(client.get("/openapi.json").await.json()["openapi"], "3.1.0");
    let page = client.get("/docs").await;
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert!(String::from_utf8_lossy(&page.body).contains("POST /w"));
    let head = client.send("HEAD", "/openapi.json", Body::empty()).await;
    assert!(head.body.is_empty());
    assert_eq!(
        head.header("content-length"),
        client.get("/openapi.json").await.body.len().to_string()
    );
    assert_eq!(
        client.get(&format!("/version?{}", "x".repeat(9000))).await.status,
        414
    );
}

#[tokio::test]
async fn a_write_sent_twice_happens_once() {
    let stage = stage(EdgeConfig::default());
    let client = stage.client().bearer("t").with("idempotency-key", "k1");
    let first = client.json("POST", "/w", &json!({"a": 1})).await;
    let again = client.json("POST", "/w", &json!({"a": 1})).await;
    assert_eq!((first.status.as_u16(), &first.body), (200, &again.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(
        client.json("POST", "/w", &json!({"a": 2})).await.json()["code"],
        "idempotency_mismatch"
    );
    let other = stage.client().bearer("t").with("idempotency-key", "k2");
    assert_eq!(other.send("POST", "/w", "no json").await.status, 415);
    assert_eq!(
        other.json("POST", "/w", &json!({})).await.json()["call"],
        1,
        "a refusal gives the key back"
    );
    let bad = stage.client().bearer("t").with("idempotency-key", "two words");
    assert_eq!(bad.json("POST", "/w", &json!({})).await.status, 400);
}

#[tokio::test]
async fn limits_are_counted_here_when_the_shared_ones_are_away_and_a_metric_says_so() {
    let stage = stage(EdgeConfig::default());
    let answer = stage.client().bearer("t").json("POST", "/w", &json!({})).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.header("ratelimit").contains("r=5999"),
        "{}",
        answer.header("ratelimit")
    );
    assert_eq!(stage.edge.metrics().rate_limits_local.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_has_one_line_and_its_trace_goes_on() {
    let stage = stage(EdgeConfig::default());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = stage
        .client()
        .bearer("t")
        .with("traceparent", trace)
        .json("POST", "/w", &json!({}))
        .await;
    assert!(
        answer
            .header("traceparent")
            .starts_with("00-0af7651916cd43dd8448eb211c80319c-")
    );
    let line = stage.line().await;
    assert_eq!(
        (line["route"].as_str(), line["status"].as_i64()),
        (Some("/w"), Some(200))
    );
    assert_eq!(line["request_id"], answer.header("x-request-id"));
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_logged_and_traced() {
    let stage = stage(EdgeConfig::default());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    {
        let client = stage.client().with("traceparent", trace);
        let mut leaving = Box::pin(client.get("/hangs"));
        while stage.edge.fair().state().0 == 0 {
            assert!(leaving.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    let line = stage.line().await;
    assert_eq!(
        (&line["route"], &line["status"], &line["trace_id"]),
        (
            &json!("/hangs"),
            &json!(499),
            &json!("0af7651916cd43dd8448eb211c80319c")
        ),
        "{line}"
    );
    let spans = std::mem::take(&mut *stage.traces.0.lock().unwrap());
    let told: Vec<_> = spans.iter().map(|span| (span.route, span.status)).collect();
    assert_eq!(told, [(Some("/hangs"), None)]);
    let text = String::from_utf8(stage.client().get("/metrics").await.body.to_vec()).unwrap();
    for counted in [
        r#"http_requests_total{method="GET",route="/hangs",status="499"} 1"#,
        "http_clients_left_total 1",
        "log_lines_dropped_total 0",
        r#"trace_spans_lost_total{at="queue"} 7"#,
        r#"trace_spans_lost_total{at="sending"} 8"#,
    ] {
        assert!(text.contains(counted), "{counted} is not in\n{text}");
    }
    assert!(
        !text.contains(r#"http_request_duration_seconds_count{method="GET",route="/hangs"}"#),
        "it has no answer's duration: {text}"
    );
}

/// Sends the bytes over a socket and gives the first line of the answer.
async fn raw(bytes: &str) -> String {
    let config = EdgeConfig {
        body_time: Duration::from_millis(20),
        ..EdgeConfig::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let edge = Arc::clone(&stage(config).edge);
    let served = tokio::spawn(serve(
        listener,
        edge.into(),
        ListenConfig::default(),
        None,
        stop.clone(),
        abort.clone(),
    ));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    abort.cancel();
    stop.cancel();
    served.await.unwrap();
    String::from_utf8(head.to_vec()).unwrap()
}

const POST: &str =
    "POST /w HTTP/1.1\r\nhost: a\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\n";

#[tokio::test]
async fn large_and_slow_bodies_are_told_apart_on_a_socket() {
    let large = format!(
        "{POST}transfer-encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n",
        "1".repeat(2000)
    );
    assert_eq!(raw(&large).await, "HTTP/1.1 413");
    assert_eq!(
        raw(&format!("{POST}content-length: 2000\r\n\r\n")).await,
        "HTTP/1.1 413"
    );
    assert_eq!(
        raw(&format!("{POST}content-length: 5\r\n\r\n[1")).await,
        "HTTP/1.1 408"
    );
}
