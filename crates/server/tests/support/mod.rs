//! The platform in process over a database of its own, with a clock the test owns.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use app::{
    App, Parts,
    identity::{IdentityConfig, PasswordConfig, Services},
};
use axum::{body::Body, extract::Request};
use db::{Db, Engine};
use domain::{
    ids::{Clock, IdSource, Timestamp},
    tier::Tier,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use server::{
    Routes,
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside, Peer},
    isolation::Isolation,
    platform::{
        Platform, PlatformAuthenticator, PlatformDenials, PlatformIdempotency, core_routes, event_routes,
        identity_routes,
    },
    platform_guard::PlatformGuard,
    rate::Quota,
};
use sha2::{Digest, Sha256};
use test_support::TestDb;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";

/// A clock that moves when the test says so.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn pass(&self, span: Duration) {
        self.0
            .fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Ids that rise, and bytes that differ from each other.
#[derive(Default)]
pub struct TestIds(AtomicU64);

impl IdSource for TestIds {
    fn uuid(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        uuid::Builder::from_unix_timestamp_millis(1_800_000_000_000 + number, &[7; 10]).into_uuid()
    }

    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        for (index, chunk) in buffer.chunks_mut(32).enumerate() {
            let bytes = Sha256::digest([number.to_be_bytes(), (index as u64).to_be_bytes()].concat());
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// One instance of the service. [`Service::replica`] makes another over the same database.
pub struct Service {
    pub app: App,
    pub edge: Arc<Edge>,
    pub isolation: Arc<Isolation>,
    pub db: Db,
    pub clock: Arc<TestClock>,
    pub ids: Arc<TestIds>,
    config: IdentityConfig,
    _database: Arc<TestDb>,
}

/// An edge as in production, with wide quotas; every request leaves a record, and the outgoing guard is on, so that
/// every case also shows that it raises no false alarm.
fn edge(
    app: &App,
    clock: &Arc<TestClock>,
    ids: &Arc<TestIds>,
    routes: Routes<Platform>,
) -> (Arc<Edge>, Arc<Isolation>) {
    let csrf = Csrf::new([5; 32]);
    let authenticator = Arc::new(PlatformAuthenticator(app.clone()));
    let mut outside = Outside::new(clock.clone(), ids.clone(), authenticator, csrf.clone());
    outside.idempotency = Some(Arc::new(PlatformIdempotency(app.clone())));
    outside.isolation = Arc::new(Isolation::sampling(1));
    outside.denials = Some(Arc::new(PlatformDenials(app.clone())));
    outside.guard = Some(Arc::new(PlatformGuard(app.clone())));
    let isolation = Arc::clone(&outside.isolation);
    let mut config = EdgeConfig::default();
    let quotas = config.quotas.get_or_insert_default();
    quotas.login = Quota::per_minute(10_000);
    quotas.reset = Quota::per_minute(10_000);
    let routes = routes.bind(Platform {
        app: app.clone(),
        csrf,
        cookie: server::platform::CookieRules::default(),
        isolation: Arc::clone(&isolation),
        guarded: true,
    });
    (Edge::new(routes, config, outside).unwrap(), isolation)
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

/// Somebody signed in.
#[derive(Clone)]
pub struct Person {
    pub user_id: String,
    pub workspace_id: String,
    pub token: String,
    pub refresh_token: String,
    pub session_id: String,
}

impl Service {
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| {}).await
    }

    pub async fn start_with(engine: Engine, change: impl FnOnce(&mut IdentityConfig)) -> Self {
        let database = Arc::new(test_support::migrated(engine, store::migrations::ALL).await);
        let clock = Arc::new(TestClock(AtomicI64::new(1_800_000_000_000_000)));
        let db = database.open().await;
        let mut config = IdentityConfig::new([3; 32]);
        config.passwords = PasswordConfig {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
            threads: 1,
            queue: 64,
        };
        config.default_tier = Tier::Enterprise;
        change(&mut config);
        Self::over(db, clock, Arc::default(), config, database).await
    }

    async fn over(
        db: Db,
        clock: Arc<TestClock>,
        ids: Arc<TestIds>,
        config: IdentityConfig,
        database: Arc<TestDb>,
    ) -> Self {
        let identity = Services::start(&db, &*clock, &*ids, config.clone())
            .await
            .unwrap();
        let parts = Parts {
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            identity,
            outbox_wake: Arc::default(),
            item_loader: app::item_loader(&db),
        };
        let app = App::new(parts);
        let routes = identity_routes().merge(core_routes()).merge(event_routes());
        let (edge, isolation) = edge(&app, &clock, &ids, routes);
        Self {
            app,
            edge,
            isolation,
            db,
            clock,
            ids,
            config,
            _database: database,
        }
    }

    /// The same instance behind other routes, as a test plants them.
    pub fn with_routes(&self, routes: Routes<Platform>) -> Self {
        let (edge, isolation) = edge(&self.app, &self.clock, &self.ids, routes);
        Self {
            app: self.app.clone(),
            edge,
            isolation,
            db: self.db.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            config: self.config.clone(),
            _database: self._database.clone(),
        }
    }

    /// A second instance over the same database.
    pub async fn replica(&self) -> Self {
        let (db, clock, ids) = (self.db.clone(), self.clock.clone(), self.ids.clone());
        Self::over(db, clock, ids, self.config.clone(), self._database.clone()).await
    }

    /// A second process, as far as the database can tell: it shares none of this one's connections.
    pub async fn sibling(&self) -> Self {
        let db = self._database.open().await;
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        Self::over(db, clock, ids, self.config.clone(), self._database.clone()).await
    }

    /// The database, for what only a test does to it.
    pub fn database(&self) -> &TestDb {
        &self._database
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        self.send_from([127, 0, 0, 1].into(), method, path, headers, body)
            .await
    }

    pub async fn send_from(
        &self,
        address: IpAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        self.send_bytes(address, method, path, headers, body).await
    }

    /// Sends a body as it is, JSON or not.
    pub async fn send_bytes(
        &self,
        address: IpAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(body);
        let answer = self
            .edge
            .handle(
                request.body(body).unwrap(),
                Peer {
                    address,
                    https: false,
                },
            )
            .await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        assert!(
            status != 201 || headers.contains_key("location"),
            "{method} {path} made something and does not say where it is"
        );
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub async fn as_bearer(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(
            method,
            path,
            &[("authorization", &format!("Bearer {token}"))],
            body,
        )
        .await
    }

    /// The text of an answer that is not JSON.
    pub async fn text(&self, token: &str, path: &str) -> String {
        let request = Request::builder()
            .uri(path)
            .header("authorization", format!("Bearer {token}"));
        let peer = Peer {
            address: [127, 0, 0, 1].into(),
            https: false,
        };
        let answer = self.edge.handle(request.body(Body::empty()).unwrap(), peer).await;
        assert_eq!(answer.status().as_u16(), 200);
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(body)).await
    }

    /// Sends as a bearer, and expects this status.
    pub async fn expect_as(&self, status: u16, token: &str, method: &str, path: &str, body: Option<Value>) {
        let answer = self.as_bearer(token, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }

    /// Posts as nobody known, and expects this status.
    pub async fn expect_post(&self, status: u16, path: &str, body: Value) {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }

    /// Ana, bia and caio, each with a workspace.
    pub async fn trio(&self) -> (Person, Person, Person) {
        (
            self.person("ana").await,
            self.person("bia").await,
            self.person("caio").await,
        )
    }

    /// Registers somebody and signs them in.
    pub async fn person(&self, username: &str) -> Person {
        let email = format!("{username}@example.org");
        let made = self
            .post(
                "/api/auth/register",
                json!({"username": username, "email": email, "password": PASSWORD}),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        self.sign_in(username, PASSWORD).await
    }

    pub async fn sign_in(&self, username: &str, password: &str) -> Person {
        let answer = self
            .post(
                "/api/auth/login",
                json!({"username": username, "password": password}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let text = |pointer: &str| answer.body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        Person {
            user_id: text("/user/id"),
            workspace_id: text("/workspace_id"),
            token: text("/token"),
            refresh_token: text("/refresh_token"),
            session_id: text("/session_id"),
        }
    }

    /// The platform's first administrator, signed in.
    pub async fn admin(&self) -> Person {
        let token = self
            .app
            .identity()
            .setup_token()
            .await
            .unwrap()
            .expect("nobody runs the platform yet");
        let body = json!({"token": token.reveal(), "username": "root", "email": "root@example.org", "password": PASSWORD});
        assert_eq!(self.post("/api/setup", body).await.status, 201);
        self.sign_in("root", PASSWORD).await
    }
}
