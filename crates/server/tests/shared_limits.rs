//! Rate limits that two servers share through a real Redis: one budget, Redis lost, Redis back.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use domain::ids::IdSource;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use server::{
    Json, Operation, Policy, Routes,
    caller::{AuthError, AuthRequest, Authenticated, Authenticator, Presented},
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside, Quotas},
    rate::{Quota, RateKey, RateLimiter},
    rate_shared::RedisLimiter,
    testing::{TestClient, TestClock, TestIds},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Requests that an address has in an hour: enough that none comes back while a test runs.
const BUDGET: u32 = 100;

struct Nobody;

impl Authenticator for Nobody {
    fn authenticate<'a>(
        &'a self,
        _: Presented<'a>,
        _: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
        Box::pin(async { Err(AuthError::Invalid) })
    }
}

async fn fine() -> Json<Value> {
    Json(json!({}))
}

/// A server with a clock of its own.
struct Server {
    client: TestClient,
    edge: Arc<Edge>,
    clock: Arc<TestClock>,
}

impl Server {
    fn new(redis: &str, patience: Duration) -> Self {
        let operation = Operation::new("test", "Tests").returns::<Value>(200);
        let routes = Routes::<()>::new().get("/", Policy::public(), operation, fine);
        let clock = Arc::new(TestClock::default());
        let ids: Arc<dyn IdSource> = Arc::new(TestIds::new(1));
        let mut outside = Outside::new(clock.clone(), ids, Arc::new(Nobody), Csrf::new([1; 32]));
        outside.shared_limits = Some(Arc::new(RedisLimiter::new(redis, None, patience).unwrap()));
        let anonymous = Quota {
            requests: BUDGET,
            window: Duration::from_secs(3600),
        };
        let config = EdgeConfig {
            quotas: Some(Quotas {
                anonymous,
                ..Quotas::default()
            }),
            ..EdgeConfig::default()
        };
        let edge = Edge::new(routes.bind(()), config, outside).unwrap();
        Self {
            client: TestClient::new(Arc::clone(&edge)),
            edge,
            clock,
        }
    }

    async fn ask(&self) -> u16 {
        self.client.get("/").await.status.as_u16()
    }

    /// Requests that were counted here though a Redis is configured.
    fn local(&self) -> u64 {
        self.edge.metrics().rate_limits_local.load(Ordering::Relaxed)
    }
}

/// What stands between a server and Redis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections are refused, as when Redis was killed.
    Refused,
    /// Connections are accepted and nothing is answered, as when Redis or the network is stuck.
    Stuck,
}

/// A proxy in front of the real Redis that can be closed and opened again under one address.
struct Proxy {
    url: String,
    way: watch::Sender<Way>,
    _task: JoinHandle<()>,
}

impl Proxy {
    async fn before(redis: &str) -> Self {
        let rest = redis.strip_prefix("redis://").unwrap();
        let (target, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, state) = watch::channel(Way::Open);
        Self {
            url: format!("redis://{address}/{database}"),
            way,
            _task: tokio::spawn(proxy(listener, target.to_owned(), state)),
        }
    }
}

/// Refusing is closing at once: the port stays taken, so that the way can open again under the same address.
async fn proxy(listener: TcpListener, target: String, state: watch::Receiver<Way>) {
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let (target, mut state) = (target.clone(), state.clone());
        tokio::spawn(async move {
            let way = *state.borrow_and_update();
            let traffic = async {
                if way == Way::Open {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    // Either side may end it; that is what the test is about.
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                } else if way == Way::Stuck {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = traffic => {}
                // A change of the way breaks what is connected.
                _ = state.changed() => {}
            }
        });
    }
}

/// Patience that a busy machine never uses up.
const LONG: Duration = Duration::from_secs(20);
/// Patience that it uses up only if nothing answers.
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn two_servers_share_one_budget() {
    let redis = test_support::redis();
    let servers = [Server::new(&redis.url, LONG), Server::new(&redis.url, LONG)];
    let mut allowed = 0;
    for number in 0..2 * BUDGET as usize {
        match servers[number % 2].ask().await {
            200 => allowed += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(allowed, BUDGET);
    assert_eq!((servers[0].local(), servers[1].local()), (0, 0));
    let answer = servers[0].client.get("/").await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=36).contains(&wait), "a hundredth of an hour at most: {wait}");
    let later = Server::new(&redis.url, LONG);
    later.clock.advance(Duration::from_secs(86_400));
    assert_eq!(
        later.ask().await,
        429,
        "a server whose clock is wrong frees nobody"
    );
}

#[tokio::test]
async fn concurrent_requests_on_two_servers_get_no_more_than_the_budget() {
    let redis = test_support::redis();
    let servers = [Server::new(&redis.url, LONG), Server::new(&redis.url, LONG)];
    let asked = (0..150).map(|number| servers[number % 2].ask());
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(
        answers.iter().filter(|status| **status == 200).count(),
        BUDGET as usize
    );
}

async fn lost_and_back(lost: Way) {
    let redis = test_support::redis();
    let proxy = Proxy::before(&redis.url).await;
    let (here, there) = (Server::new(&proxy.url, SHORT), Server::new(&redis.url, LONG));
    // Used up for everybody, except that a busy machine may have let this server count alone for a moment.
    for _ in 0..BUDGET {
        there.ask().await;
    }
    until_shared(&here).await;

    proxy.way.send(lost).unwrap();
    here.clock.advance(Duration::from_secs(2));
    let (start, before) = (Instant::now(), here.local());
    assert_eq!(here.ask().await, 200, "counted here, where there is budget left");
    let took = start.elapsed();
    assert!(took < 3 * SHORT, "a lost store delays a request by {took:?}");
    assert_eq!(here.local(), before + 1, "the metric says so");
    let left_alone = Instant::now();
    assert_eq!(here.ask().await, 200, "counted here without asking");
    assert!(
        left_alone.elapsed() < SHORT,
        "a store that failed is left alone for a second"
    );

    proxy.way.send(Way::Open).unwrap();
    until_shared(&here).await;
}

/// Asks once a second of the server's own clock until the shared, used-up budget decides again.
async fn until_shared(server: &Server) {
    for _ in 0..50 {
        server.clock.advance(Duration::from_secs(1));
        let before = server.local();
        let status = server.ask().await;
        if server.local() == before {
            assert_eq!(status, 429, "the shared budget is used up");
            return;
        }
    }
    panic!("the limits were never shared");
}

#[tokio::test]
async fn a_killed_redis_is_done_without_and_found_again() {
    lost_and_back(Way::Refused).await;
}

#[tokio::test]
async fn a_stuck_redis_is_done_without_and_found_again() {
    lost_and_back(Way::Stuck).await;
}

/// Certificate and key of a server on this machine, and the certificate alone.
fn certificate() -> (String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pem = made.cert.pem();
    (
        format!("{pem}{}", made.signing_key.serialize_pem()),
        pem.into_bytes(),
    )
}

#[tokio::test]
async fn limits_are_shared_over_tls_with_a_server_that_is_trusted() {
    let (pem, trusted) = certificate();
    let redis = test_support::RedisServer::start_with_tls(&pem);
    let limiter =
        |url: &str, trusted: Option<Vec<u8>>| RedisLimiter::new(url, trusted, Duration::from_secs(5));
    let ours = limiter(&redis.url(), Some(trusted.clone())).unwrap();
    ours.ping().await.unwrap();
    let asks = [(RateKey::User(uuid::Uuid::from_u128(1)), Quota::per_minute(1))];
    let now = domain::ids::Timestamp::from_secs(1_800_000_000);
    let first = ours.check(&asks, now).await.expect("it counts over TLS");
    let second = ours.check(&asks, now).await.expect("it counts over TLS");
    assert_eq!((first[0].allowed, second[0].allowed), (true, false));
    for (what, other) in [
        ("nobody has signed it", limiter(&redis.url(), None)),
        ("another has", limiter(&redis.url(), Some(certificate().1))),
        (
            "it speaks no plain text",
            limiter(&redis.url().replace("rediss", "redis"), None),
        ),
    ] {
        assert!(other.unwrap().ping().await.is_err(), "{what}");
    }
    assert!(
        limiter("redis://127.0.0.1:1", Some(trusted)).is_err(),
        "trust without TLS"
    );
}
