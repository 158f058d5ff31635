//! What every server serves besides its resources: health, version, metrics, the API document and its page.

mod docs;
mod health;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{identity::ApiScope, ids::Clock};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prometheus_client::{collector::Collector, encoding::text::encode, registry::Registry};
use serde::Serialize;
use serde_json::{Value, json};

pub use self::health::{Health, Latches, Probe};
use crate::{
    ApiError, Json, Operation, Policy, Routes,
    edge::Edge,
    metrics::{EdgeCollector, Metrics},
    policy::RateClass,
    process,
    routes::BoundRoutes,
};

/// What `GET /version` says.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Version {
    /// The release.
    pub version: &'static str,
    /// The commit it was built from.
    pub commit: &'static str,
    /// When it was built.
    pub build_time: &'static str,
    /// The compiler.
    pub rustc: &'static str,
    /// The database engine.
    pub engine: String,
    /// The schema's version.
    pub schema: u32,
}

impl Version {
    /// This build on this engine and schema.
    #[must_use]
    pub const fn of_build(engine: String, schema: u32) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            commit: env!("FARMGATE_GIT_HASH"),
            build_time: env!("FARMGATE_BUILD_TIME"),
            rustc: env!("FARMGATE_RUSTC"),
            engine,
            schema,
        }
    }
}

/// Who may read `/metrics` on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Anybody who reaches the listener.
    Anybody,
    /// The people who run the platform, and their API keys with `admin:read`.
    PlatformAdmin,
    /// Nobody: the listener has no such route.
    Nobody,
}

/// The state of these routes. Cheap to clone.
#[derive(Clone)]
pub struct Served(Arc<Parts>);

struct Parts {
    version: Version,
    health: Health,
    latches: Latches,
    clock: Arc<dyn Clock>,
    registry: Mutex<Registry>,
    edge: OnceLock<Facts>,
}

/// What is known once the routes are put together.
struct Facts {
    metrics: Arc<Metrics>,
    document: Bytes,
    page: Bytes,
}

impl Served {
    /// Puts the state together; `collectors` are shown in `/metrics` besides the edge's and the process's own.
    #[must_use]
    pub fn new(
        version: Version,
        probes: Vec<Probe>,
        latches: Latches,
        clock: Arc<dyn Clock>,
        collectors: Vec<Box<dyn Collector>>,
    ) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::ProcessMetrics));
        for collector in collectors {
            registry.register_collector(collector);
        }
        let (health, registry) = (Health::new(probes, &*clock), Mutex::new(registry));
        Self(Arc::new(Parts {
            version,
            health,
            latches,
            clock,
            registry,
            edge: OnceLock::new(),
        }))
    }

    /// The routes, to be merged with those of the resources.
    #[must_use]
    pub fn routes(&self, metrics: MetricsAccess) -> BoundRoutes {
        let routes = health_routes().merge(description_routes());
        let shown = about("Shows the metrics")
            .returns_media(200, "application/openmetrics-text")
            .returns::<Value>(200);
        let admins = Policy::platform_admin(Some(ApiScope::AdminRead)).rate(RateClass::Exempt);
        match metrics {
            MetricsAccess::Anybody => routes.get("/metrics", open(), shown, show_metrics),
            MetricsAccess::PlatformAdmin => routes.get("/metrics", admins, shown, show_metrics),
            MetricsAccess::Nobody => routes,
        }
        .bind(self.clone())
    }

    /// Tells the routes which edge's metrics and document to show. A second call changes nothing.
    pub fn attach(&self, edge: &Edge) {
        let document =
            crate::openapi::document(self.0.version.version, edge.endpoints().iter().map(|e| &**e));
        let page = docs::page(&document, edge.endpoints());
        let metrics = Arc::clone(edge.metrics());
        let facts = Facts {
            metrics: Arc::clone(&metrics),
            document: document.to_string().into(),
            page: page.into(),
        };
        if self.0.edge.set(facts).is_ok() {
            // farmgate: allow(blocking-lock) because taken by who reads the metrics, for as long as it takes to write them
            let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
            registry.register_collector(Box::new(EdgeCollector(metrics)));
        }
    }

    /// Shows another collector's metrics too.
    pub fn collect(&self, collector: Box<dyn Collector>) {
        // farmgate: allow(blocking-lock) because called while the process starts
        let mut registry = self.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(collector);
    }

    fn facts(&self) -> Result<&Facts, ApiError> {
        self.0
            .edge
            .get()
            .ok_or_else(|| ApiError::internal("no edge was attached to its routes"))
    }
}

fn open() -> Policy {
    Policy::public().rate(RateClass::Exempt)
}

fn about(summary: &'static str) -> Operation {
    Operation::new("operation", summary)
}

/// The routes that say how the server is.
fn health_routes() -> Routes<Served> {
    Routes::new()
        .get(
            "/health",
            open(),
            about("Says how the server and what it depends on are").returns::<Value>(200),
            health,
        )
        .get(
            "/health/live",
            open(),
            about("Answers while the process lives").returns::<Value>(200),
            live,
        )
        .get(
            "/health/ready",
            open(),
            about("Says whether requests may be sent here").returns::<Value>(200),
            ready,
        )
        .get(
            "/health/db",
            open(),
            about("Says whether the database answers").returns::<Value>(200),
            database,
        )
}

/// The routes that say what the server is: its build and its API.
fn description_routes() -> Routes<Served> {
    Routes::new()
        .get(
            "/version",
            open(),
            about("Names the build").returns::<Version>(200),
            version,
        )
        .get(
            "/openapi.json",
            open(),
            about("Describes the API").returns::<Value>(200),
            document,
        )
        .get(
            "/docs",
            open(),
            about("Describes the API for people").returns_media(200, "text/html"),
            page,
        )
}

async fn health(State(served): State<Served>) -> Response {
    let (healthy, body) = served
        .0
        .health
        .report(&*served.0.clock, served.0.version.version)
        .await;
    with_status(healthy, body)
}

async fn live() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

async fn ready(State(served): State<Served>) -> Response {
    let waiting = served.0.latches.held();
    with_status(
        waiting.is_empty(),
        json!({"ready": waiting.is_empty(), "waiting_for": waiting}),
    )
}

async fn database(State(served): State<Served>) -> Response {
    let (ok, body) = served.0.health.component("database", &*served.0.clock).await;
    with_status(ok, body)
}

fn with_status(ok: bool, body: Value) -> Response {
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut response = (status, Json(body)).into_response();
    if !ok {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

async fn version(State(served): State<Served>) -> Json<Version> {
    Json(served.0.version.clone())
}

async fn document(State(served): State<Served>) -> Result<Response, ApiError> {
    Ok(typed("application/json", served.facts()?.document.clone()))
}

async fn page(State(served): State<Served>) -> Result<Response, ApiError> {
    let mut response = typed("text/html; charset=utf-8", served.facts()?.page.clone());
    let policy =
        "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    Ok(response)
}

fn typed(media_type: &'static str, body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

async fn show_metrics(State(served): State<Served>, headers: HeaderMap) -> Result<Response, ApiError> {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("application/json") {
        return Ok(Json(summary(&served)?).into_response());
    }
    let mut text = String::with_capacity(16 * 1024);
    // farmgate: allow(blocking-lock) because taken by who reads the metrics, for as long as it takes to write them
    let registry = served.0.registry.lock().unwrap_or_else(PoisonError::into_inner);
    encode(&mut text, &registry).map_err(ApiError::internal)?;
    Ok(typed(
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        text.into(),
    ))
}

/// The figures that people ask for first.
fn summary(served: &Served) -> Result<Value, ApiError> {
    use std::sync::atomic::Ordering::Relaxed;
    let metrics = &served.facts()?.metrics;
    let (requests, errors) = metrics.answered();
    Ok(json!({
        "uptime_seconds": served.0.health.uptime(&*served.0.clock).as_secs(),
        "requests_total": requests,
        "errors_total": errors,
        "error_rate": metrics.error_rate(),
        "rate_limited_total": metrics.rate_limited.load(Relaxed),
        "saturated_total": metrics.saturated.load(Relaxed),
        "panics_total": metrics.panics.load(Relaxed),
        "open_contexts": metrics.open_contexts.load(Relaxed),
        "connections": metrics.connections.load(Relaxed),
        "latency_seconds": {
            "p50": metrics.quantile(0.5), "p95": metrics.quantile(0.95), "p99": metrics.quantile(0.99),
        },
        "process": process::usage(),
    }))
}
