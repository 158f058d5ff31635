//! The last look at an answer before it leaves: does each entity in it belong to what its caller may see?
//!
//! Switched on where `ENV=staging`. It costs a query an answer and relies on nothing the handler did: what the guard
//! asks stands in `store::rights`. What it looks at stands in [`crate::platform_guard`].

use std::sync::{Arc, atomic::Ordering};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use domain::problem::ErrorCode;
use futures_util::future::BoxFuture;
use http::header;
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::{caller::Caller, context::RequestContext, error::ApiError, isolation::Isolation};

/// Largest answer that is looked at, in bytes: that of the largest list.
const LARGEST: u64 = 32 * 1024 * 1024;

/// Looks at answers.
pub trait OutgoingGuard: Send + Sync + 'static {
    /// Tells the ids in the body that the caller has no right to.
    fn check<'a>(
        &'a self,
        route: &'static str,
        caller: &'a Caller,
        body: &'a Bytes,
    ) -> BoxFuture<'a, Result<Vec<String>, GuardError>>;
}

/// The guard could not look.
pub type GuardError = Box<dyn std::error::Error + Send + Sync>;

/// Passes the answer on, or withholds it. Answers that are no JSON, are streams, or go to nobody known pass.
///
/// # Errors
/// Isolation breach; unavailable if the guard could not look.
pub(crate) async fn check(
    guard: Option<&Arc<dyn OutgoingGuard>>,
    isolation: &Isolation,
    ctx: &RequestContext,
    response: Response,
) -> Result<Response, ApiError> {
    let (Some(guard), Some(caller)) = (guard, ctx.maybe_caller()) else {
        return Ok(response);
    };
    if !response.status().is_success() || !is_short_json(&response) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(ApiError::internal)?.to_bytes();
    isolation.guarded.fetch_add(1, Ordering::Relaxed);
    match guard.check(ctx.route, caller, &body).await {
        Ok(foreign) if foreign.is_empty() => Ok(Response::from_parts(parts, Body::from(body))),
        Ok(foreign) => {
            isolation.violations.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                request_id = ctx.request_id(), route = ctx.route, workspace_id = %caller.workspace_id, ?foreign,
                "the outgoing guard withheld an answer with another tenant's data"
            );
            let detail =
                "the answer was withheld because it held data of another workspace; an incident was opened";
            Err(ApiError::new(ErrorCode::IsolationBreach, detail))
        }
        Err(error) => {
            let after = std::time::Duration::from_secs(1);
            Err(ApiError::unavailable("the answer could not be checked", after).source(error))
        }
    }
}

fn is_short_json(response: &Response) -> bool {
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    json && response
        .body()
        .size_hint()
        .exact()
        .is_some_and(|size| size <= LARGEST)
}
