//! The edge's behaviour through its public surface, on sample routes.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::sync::Arc;

use axum::{body::Body, extract::Request};
use domain::{
    identity::{ApiScope, Role},
    ids::{ApiKeyId, Clock, IdSource, SessionId, Timestamp, UserId, WorkspaceId},
    tier::Tier,
};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use serde_json::Value;
use server::{
    ApiError, Auth, IfMatch, Json, List, Operation, Path, Policy, Routes,
    caller::{AuthError, AuthRequest, Authenticated, Authenticator, Caller, Credential, Presented},
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside, Peer, Quotas},
    listen::{ListenConfig, serve},
    rate::Quota,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Fixed;
impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_800_000_000)
    }
}
impl IdSource for Fixed {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(7)
    }
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(9);
    }
}
/// Knows the credentials `viewer`, `cookie` and `fg_reader`.
impl Authenticator for Fixed {
    fn authenticate<'a>(
        &'a self,
        presented: Presented<'a>,
        _: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
        let (role, credential) = match presented {
            Presented::Bearer("viewer") => (Role::Viewer, Credential::Token(session())),
            Presented::Cookie("cookie") => (Role::Owner, Credential::Cookie(session())),
            Presented::ApiKey("fg_reader") => {
                let key = ApiKeyId::from(Uuid::from_u128(4));
                (Role::Owner, Credential::ApiKey(key, vec![ApiScope::ItemsRead]))
            }
            _ => return Box::pin(async { Err(AuthError::Invalid) }),
        };
        let caller = Arc::new(Caller {
            user_id: UserId::from(Uuid::from_u128(1)),
            workspace_id: WorkspaceId::from(Uuid::from_u128(2)),
            role,
            tier: Tier::Basic,
            platform_admin: false,
            credential,
        });
        Box::pin(async {
            Ok(Authenticated {
                caller,
                own_rate: None,
            })
        })
    }
}
fn session() -> SessionId {
    SessionId::from(Uuid::from_u128(3))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Body1 {
    name: String,
    inner: Inner,
}
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    count: u32,
}

async fn write(_: Auth, _: IfMatch, Json(body): Json<Body1>) -> Result<Json<Value>, ApiError> {
    Ok(Json(
        serde_json::json!({"name": body.name, "count": body.inner.count}),
    ))
}
async fn read(Path(id): Path<UserId>) -> Json<String> {
    Json(id.to_string())
}
async fn list(list: List) -> Json<u32> {
    Json(list.page.limit)
}
async fn panics() -> Json<u32> {
    panic!("secret text")
}
async fn hangs() -> Json<u32> {
    std::future::pending().await
}

fn edge(config: EdgeConfig) -> Arc<Edge> {
    let doc = || Operation::new("test", "Tests");
    let routes = Routes::<()>::new()
        .post(
            "/w",
            Policy::member(ApiScope::ItemsWrite).body_limit(20_000),
            doc(),
            write,
        )
        .get(
            "/r/{id}",
            Policy::viewer(ApiScope::ItemsRead),
            doc().returns::<String>(200),
            read,
        )
        .get("/list", Policy::public(), doc().returns_page::<String>(), list)
        .get("/panics", Policy::public(), doc(), panics)
        .get("/hangs", Policy::public(), doc(), hangs);
    let outside = Outside::new(
        Arc::new(Fixed),
        Arc::new(Fixed),
        Arc::new(Fixed),
        Csrf::new([1; 32]),
    );
    Edge::new(routes.bind(()), config, outside).unwrap()
}

/// A server that gives each request 50 ms.
fn impatient() -> EdgeConfig {
    EdgeConfig {
        budget: std::time::Duration::from_millis(50),
        ..EdgeConfig::default()
    }
}

async fn send(
    edge: &Edge,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer = Peer {
        address: [127, 0, 0, 1].into(),
        https: false,
    };
    let answer = edge.handle(request.body(body.into()).unwrap(), peer).await;
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// A write with the cookie and its CSRF token.
async fn post(edge: &Edge, body: impl Into<Body>) -> (u16, Value) {
    let token = Csrf::new([1; 32]).token(session());
    let headers = [
        ("cookie", "a=b; session=cookie"),
        ("x-csrf-token", &*token),
        ("content-type", "application/json"),
    ];
    send(edge, "POST", "/w", &headers, body).await
}

#[tokio::test]
async fn bad_bodies_are_problems_that_name_the_field() {
    let edge = edge(EdgeConfig::default());
    assert_eq!(post(&edge, r#"{"name":"a","inner":{"count":3}}"#).await.0, 200);
    let cases: [(Vec<u8>, u16, &str, &str); 8] = [
        (b"{\"name\":".to_vec(), 400, "malformed_json", ""),
        (b"".to_vec(), 400, "malformed_json", ""),
        (b"{\"name\":\"\xff\"}".to_vec(), 400, "malformed_json", ""),
        (vec![b'['; 19_000], 422, "validation_failed", "[0]"),
        (vec![b' '; 20_001], 413, "payload_too_large", ""),
        (
            br#"{"name":"a","inner":{"count":"x"}}"#.to_vec(),
            422,
            "validation_failed",
            "inner.count",
        ),
        (
            br#"{"name":"a","inner":{"count":1,"more":2}}"#.to_vec(),
            422,
            "validation_failed",
            "inner.more",
        ),
        (
            br#"{"name":"a","inner":{}}"#.to_vec(),
            422,
            "validation_failed",
            "inner.count",
        ),
    ];
    for (body, status, code, field) in cases {
        let (found, problem) = post(&edge, body).await;
        assert_eq!((found, &problem["code"]), (status, &code.into()), "{problem}");
        assert_eq!(
            problem["errors"][0]["field"].as_str().unwrap_or_default(),
            field,
            "{problem}"
        );
        assert_eq!(problem["request_id"], "00000000-0000-0000-0000-000000000007");
    }
}

#[tokio::test]
async fn policies_decide_before_the_handler() {
    let edge = edge(EdgeConfig::default());
    let json = ("content-type", "application/json");
    for (header, expected) in [
        (json, 401),
        (("authorization", "Bearer wrong"), 401),
        (("authorization", "Bearer viewer"), 403),
        (("x-api-key", "fg_reader"), 403),
        (("cookie", "session=cookie"), 403),
    ] {
        assert_eq!(
            send(&edge, "POST", "/w", &[header], "{}").await.0,
            expected,
            "{header:?}"
        );
    }
    let key = [("x-api-key", "fg_reader")];
    assert_eq!(
        send(&edge, "GET", "/r/00000000-0000-0000-0000-000000000001", &key, "")
            .await
            .0,
        200
    );
    assert_eq!(
        send(&edge, "GET", "/r/nonsense", &key, "").await.1["errors"][0]["field"],
        "id"
    );
}

#[tokio::test]
async fn pages_paths_and_methods_are_checked() {
    let edge = edge(impatient());
    for (path, status) in [
        ("/list?limit=7", 200),
        ("/list?limit=1001", 400),
        ("/list?cursor=%21", 400),
        ("/list?unknown=1", 400),
        ("/none", 404),
        ("/panics", 500),
        ("/hangs", 503),
    ] {
        let (found, problem) = send(&edge, "GET", path, &[], "").await;
        assert_eq!(found, status, "{path} {problem}");
        assert!(!problem.to_string().contains("secret text"));
    }
    assert_eq!(send(&edge, "PUT", "/list", &[], "").await.0, 405);
    assert_eq!(
        edge.metrics()
            .open_contexts
            .load(std::sync::atomic::Ordering::Relaxed),
        0
    );
    assert_eq!(edge.fair().state(), (0, 0, 0));
}

#[tokio::test]
async fn a_used_up_quota_is_429() {
    let quotas = Quotas {
        anonymous: Quota::per_minute(2),
        ..Quotas::default()
    };
    let config = EdgeConfig {
        quotas: Some(quotas),
        ..EdgeConfig::default()
    };
    let edge = edge(config);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(send(&edge, "GET", "/list", &[], "").await.0);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn the_document_names_every_route() {
    let edge = edge(EdgeConfig::default());
    let document = server::openapi::document("1", edge.endpoints().iter().map(|e| &**e));
    for endpoint in edge.endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        assert!(operation["responses"]["503"].is_object(), "{}", endpoint.path);
    }
}

#[tokio::test]
async fn a_listener_answers_and_leaves_in_good_order() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    let edge = edge(EdgeConfig::default());
    let config = ListenConfig::default();
    let served = tokio::spawn(serve(listener, edge.into(), config, None, stop.clone(), abort));
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /list HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stop.cancel();
    served.await.unwrap();
}

#[tokio::test]
async fn a_full_server_refuses_at_once() {
    let fair = server::fair::FairLimits {
        per_caller: 1,
        total: 1,
        waiting: 0,
        ..Default::default()
    };
    let edge = edge(EdgeConfig { fair, ..impatient() });
    let hang = || send(&edge, "GET", "/hangs", &[], Body::empty());
    let (first, second) = tokio::join!(hang(), hang());
    assert_eq!((first.0, &first.1["code"]), (503, &"deadline_exceeded".into()));
    assert_eq!((second.0, &second.1["code"]), (503, &"unavailable".into()));
    let third = send(&edge, "GET", "/list", &[], Body::empty()).await;
    assert_eq!(third.0, 200, "the slot came back");
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_context_back() {
    let edge = edge(EdgeConfig::default());
    let open = || {
        edge.metrics()
            .open_contexts
            .load(std::sync::atomic::Ordering::Relaxed)
    };
    {
        let mut leaving = Box::pin(send(&edge, "GET", "/hangs", &[], Body::empty()));
        assert!(futures_util::FutureExt::now_or_never(&mut leaving).is_none());
        assert_eq!(open(), 1);
    }
    assert_eq!(open(), 0);
    let left = &edge.metrics().clients_left;
    assert_eq!(left.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(edge.metrics().answered(), (1, 0), "it counts as a request");
}

#[tokio::test]
async fn one_callers_slots_are_bounded_apart_from_the_common_ones() {
    let queue = server::fair::FairQueue::new(server::fair::FairLimits {
        per_caller: 2,
        total: 4,
        waiting: 8,
        wait: std::time::Duration::from_millis(1),
    });
    let (greedy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let held = [
        queue.enter(greedy).await.unwrap(),
        queue.enter(greedy).await.unwrap(),
    ];
    assert!(
        queue.enter(greedy).await.is_err(),
        "a third, while common slots are free"
    );
    let others = [
        queue.enter(other).await.unwrap(),
        queue.enter(other).await.unwrap(),
    ];
    let third = Uuid::from_u128(3);
    assert!(queue.enter(third).await.is_err(), "all common slots are taken");
    drop(held);
    drop(queue.enter(greedy).await.unwrap());
    drop((others, queue.enter(third).await.unwrap()));
}
