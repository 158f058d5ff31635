//! The gate must be able to fail the platform: the platform with a fault planted at its door is breached, and the finding
//! names what is wrong; the same platform without the fault is isolated.
//!
//! The fault lives in this test alone. It is a classic: who calls is laid into a global, another request comes in
//! between, and what lies there then is taken for the caller. One request at a time, nothing is wrong.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use app::identity::{IdentityConfig, PasswordConfig, Services};
use app::{App, Parts};
use db::{Db, DbConfig, Micros};
use domain::ids::Clock as _;
use domain::tier::Tier;
use futures_util::future::BoxFuture;
use server::caller::{AuthError, AuthRequest, Authenticated, Authenticator, Presented};
use server::csrf::Csrf;
use server::edge::{Edge, EdgeConfig, Outside};
use server::listen::{self, ListenConfig};
use server::platform::{Platform, PlatformAuthenticator, core_routes, event_routes, identity_routes};
use server::system::{SystemClock, SystemIds};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Asks the platform who calls, and keeps the answer where the next request finds it.
struct Forgetful {
    right: PlatformAuthenticator,
    global: Mutex<Option<Authenticated>>,
}

impl Authenticator for Forgetful {
    fn authenticate<'a>(
        &'a self,
        presented: Presented<'a>,
        request: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
        Box::pin(async move {
            let caller = self.right.authenticate(presented, request).await?;
            *self.global.lock().await = Some(caller.clone());
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(self.global.lock().await.clone().unwrap_or(caller))
        })
    }
}

/// The platform, with cheap passwords and without rate limits. It ends with the test.
async fn platform(folder: &Path, planted: bool) -> String {
    let app = application(folder).await;
    let csrf = Csrf::new([5; 32]);
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let outside = Outside::new(clock, ids, door(&app, planted), csrf.clone());
    let routes = identity_routes().merge(core_routes()).merge(event_routes());
    let limits = EdgeConfig {
        quotas: None,
        ..EdgeConfig::default()
    };
    let platform = Platform {
        app,
        csrf,
        cookie: Default::default(),
        isolation: Arc::clone(&outside.isolation),
        guarded: false,
    };
    serve(Edge::new(routes.bind(platform), limits, outside).unwrap()).await
}

async fn application(folder: &Path) -> App {
    let config = DbConfig::sqlite(folder.join("farmgate.db"));
    let now = Micros(SystemClock.now().micros());
    db::migrate::up(&config, store::migrations::ALL, now)
        .await
        .unwrap();
    let db = Db::open(config, Arc::new(db::NoObserver)).await.unwrap();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let mut identity = IdentityConfig::new([3; 32]);
    identity.default_tier = Tier::Enterprise;
    identity.passwords = PasswordConfig {
        memory_kib: 64,
        passes: 1,
        ..PasswordConfig::default()
    };
    let identity = Services::start(&db, &*clock, &*ids, identity).await.unwrap();
    App::new(Parts {
        item_loader: app::item_loader(&db),
        db,
        clock,
        ids,
        identity,
        outbox_wake: Arc::default(),
    })
}

/// Who tells the callers apart, with the fault or without it.
fn door(app: &App, planted: bool) -> Arc<dyn Authenticator> {
    let right = PlatformAuthenticator(app.clone());
    match planted {
        true => Arc::new(Forgetful {
            right,
            global: Mutex::default(),
        }),
        false => Arc::new(right),
    }
}

/// Gives the URL.
async fn serve(edge: Arc<Edge>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
    tokio::spawn(listen::serve(
        listener,
        edge.into(),
        ListenConfig::default(),
        None,
        stop,
        abort,
    ));
    url
}

/// `farmgate isolate` with the repository's own isolation file, as far as the storm.
async fn isolate(url: &str, report: &Path) -> Output {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../scenarios/isolation/platform.toml"
    );
    let command = tokio::process::Command::new(env!("CARGO_BIN_EXE_farmgate"))
        .args([
            "isolate",
            file,
            "--url",
            url,
            "--no-self-test",
            "--rule",
            "pool.answer",
        ])
        .arg("--report")
        .arg(report)
        .env_remove("FARMGATE_ADMIN_PASSWORD")
        .output();
    command.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_fault_of_the_platform_is_found_and_named() {
    for (planted, exit) in [(false, 0), (true, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let url = platform(folder.path(), planted).await;
        let file = folder.path().join("report.json");
        let output = isolate(&url, &file).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(exit), "planted: {planted}: {text}");
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let named = findings.iter().any(|finding| finding["rule"] == "pool.answer");
        assert_eq!(named, planted, "{text}");
    }
}
