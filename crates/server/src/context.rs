//! The island a request lives on: made once, at the edge, passed on, never looked up from a global.

use std::{
    net::IpAddr,
    ops::Deref,
    sync::{Arc, OnceLock},
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
    pub meter: db::Meter,
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
        self.caller.as_ref().map(|caller| caller.workspace_id)
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
