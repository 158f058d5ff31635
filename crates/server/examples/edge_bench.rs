//! How much processor time does the edge add to a request? A bare axum route against the same handler behind the edge,
//! both called in process by one task, so that neither sockets nor other cores count.
//!
//! `cargo run --release -p server --example edge_bench`; target: at most 12 µs a request.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request, response::Response};
use domain::{
    identity::{ApiScope, Role},
    ids::{SessionId, UserId, WorkspaceId},
    tier::Tier,
};
use futures_util::future::{BoxFuture, FutureExt};
use http_body_util::BodyExt;
use server::{
    Auth, Ctx, Json, Operation, Policy, Routes,
    caller::{AuthError, AuthRequest, Authenticated, Authenticator, Caller, Credential, Presented},
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside, Peer},
    request_log::{Format, LogWriter, RequestLog, Which},
    system::{SystemClock, SystemIds},
};

const REQUESTS: u32 = 200_000;

struct Constant(Arc<Caller>);
impl Authenticator for Constant {
    fn authenticate<'a>(
        &'a self,
        _: Presented<'a>,
        _: AuthRequest<'a>,
    ) -> BoxFuture<'a, Result<Authenticated, AuthError>> {
        let caller = Arc::clone(&self.0);
        async {
            Ok(Authenticated {
                caller,
                own_rate: None,
            })
        }
        .boxed()
    }
}

fn request() -> Result<Request, http::Error> {
    Request::get("/api/items/abc")
        .header("authorization", "Bearer token")
        .header("user-agent", "bench")
        .body(Body::empty())
}

/// Microseconds of one request, on average over the whole run.
async fn measure<F: Future<Output = Response>>(
    mut send: impl FnMut(Request) -> F,
) -> Result<f64, Box<dyn Error>> {
    let mut took = Duration::ZERO;
    for _ in 0..REQUESTS {
        let request = request()?;
        let start = Instant::now();
        let answer = send(request).await;
        took += start.elapsed();
        assert!(answer.status().is_success());
        answer.into_body().collect().await?;
    }
    Ok(took.as_secs_f64() * 1e6 / f64::from(REQUESTS))
}

fn edge(log: bool) -> Result<Arc<Edge>, Box<dyn Error>> {
    let caller = Caller {
        user_id: UserId::generate(&SystemIds),
        workspace_id: WorkspaceId::generate(&SystemIds),
        role: Role::Owner,
        tier: Tier::Basic,
        platform_admin: false,
        credential: Credential::Token(SessionId::generate(&SystemIds)),
    };
    let policy = Policy::viewer(ApiScope::ItemsRead);
    let about = Operation::new("bench", "Answers");
    let routes = Routes::<()>::new().get("/api/items/{dfid}", policy, about, |_: Ctx, _: Auth| async {
        Json("item")
    });
    let authenticator = Arc::new(Constant(Arc::new(caller)));
    let mut outside = Outside::new(
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        authenticator,
        Csrf::new([1; 32]),
    );
    if log {
        let (writer, _) = LogWriter::start(std::io::sink())?;
        outside.log = Some(RequestLog::new(writer, Format::Json, Which::All));
    }
    // Limits are counted as always, but never used up.
    let mut quotas = server::edge::Quotas::default();
    quotas.user.requests = u32::MAX;
    quotas.workspace.requests = u32::MAX;
    quotas.user.window = Duration::from_secs(100_000);
    quotas.workspace.window = Duration::from_secs(100_000);
    let config = EdgeConfig {
        quotas: Some(quotas),
        ..EdgeConfig::default()
    };
    Ok(Edge::new(routes.bind(()), config, outside)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bare = axum::Router::new().route(
        "/api/items/{dfid}",
        axum::routing::get(|| async { axum::Json("item") }),
    );
    let bare: axum::routing::RouterIntoService<Body> = bare.into_service();
    let peer = Peer {
        address: [127, 0, 0, 1].into(),
        https: false,
    };
    let (quiet, logging) = (edge(false)?, edge(true)?);
    for round in 1..=3 {
        let axum = measure(|request| {
            let mut service = bare.clone();
            async move { tower_call(&mut service, request).await }
        })
        .await?;
        let without = measure(|request| quiet.handle(request, peer)).await?;
        let with = measure(|request| logging.handle(request, peer)).await?;
        println!(
            "round {round}: axum {axum:.2} µs, edge {without:.2} µs, edge with log {with:.2} µs a request"
        );
    }
    Ok(())
}

async fn tower_call(service: &mut axum::routing::RouterIntoService<Body>, request: Request) -> Response {
    use tower::Service as _;
    match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
