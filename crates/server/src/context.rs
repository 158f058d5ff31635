//! The island a request lives on: made once, at the edge, passed on, never looked up from a global.

use std::{
    net::IpAddr,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::extract::FromRequestParts;
use domain::ids::{Timestamp, WorkspaceId};
use http::{HeaderValue, request::Parts};
use tokio_util::sync::CancellationToken;

use crate::{caller::Caller, error::ApiError, trace::TraceContext};

/// Everything known about a request besides its content.
#[derive(Debug)]
pub struct RequestContext {
    pub(crate) request_id: HeaderValue,
    /// The W3C trace this request belongs to.
    pub trace: TraceContext,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When its time budget ends.
    pub deadline: Instant,
    /// The client's address, seen through configured proxies only.
    pub address: IpAddr,
    /// The matched route's pattern.
    pub route: &'static str,
    /// What it used of the database.
    pub meter: Meter,
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) cancelled: OnceLock<CancellationToken>,
    pub(crate) https: bool,
}

impl RequestContext {
    /// The id that answers, logs and errors carry.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    /// The authenticated caller.
    ///
    /// # Errors
    /// 401 if the request is anonymous.
    pub fn caller(&self) -> Result<&Arc<Caller>, ApiError> {
        self.caller.as_ref().ok_or_else(ApiError::unauthenticated)
    }

    /// The authenticated caller, if there is one.
    #[must_use]
    pub fn maybe_caller(&self) -> Option<&Arc<Caller>> {
        self.caller.as_ref()
    }

    /// The tenant, if the request has a caller.
    #[must_use]
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.caller.as_ref().map(|caller| caller.workspace)
    }

    /// Time left of the budget; zero when it has run out.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the client came over TLS.
    #[must_use]
    pub fn https(&self) -> bool {
        self.https
    }

    /// Told when the client leaves or the budget ends before the answer is complete.
    pub fn cancelled(&self) -> &CancellationToken {
        self.cancelled.get_or_init(CancellationToken::new)
    }

    /// Tells whoever listens that nobody waits for the answer any more.
    pub(crate) fn cancel(&self) {
        self.cancelled().cancel();
    }
}

/// What one request used of the database; shared with whoever runs its queries.
#[derive(Debug, Default)]
pub struct Meter {
    queries: AtomicU32,
    database_micros: AtomicU64,
    wait_micros: AtomicU64,
}

impl Meter {
    /// Adds one query and the time it took.
    pub fn query(&self, took: Duration) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.database_micros.fetch_add(micros(took), Ordering::Relaxed);
    }

    /// Adds time spent waiting for a connection or a slot.
    pub fn waited(&self, span: Duration) {
        self.wait_micros.fetch_add(micros(span), Ordering::Relaxed);
    }

    /// Number of queries, microseconds in them, microseconds waited.
    #[must_use]
    pub fn totals(&self) -> (u32, u64, u64) {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        (
            self.queries.load(Ordering::Relaxed),
            read(&self.database_micros),
            read(&self.wait_micros),
        )
    }
}

pub(crate) fn micros(span: Duration) -> u64 {
    span.as_micros().try_into().unwrap_or(u64::MAX)
}

/// Extractor of the request's context.
#[derive(Clone, Debug)]
pub struct Ctx(pub Arc<RequestContext>);

impl Deref for Ctx {
    type Target = RequestContext;

    fn deref(&self) -> &RequestContext {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Ctx {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| ApiError::internal("a handler ran without a request context"))
    }
}
