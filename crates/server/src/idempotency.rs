//! `Idempotency-Key`: a write that is sent twice happens once, and its answer is given twice.
//!
//! The keys and answers are kept by a [`Store`], which lives elsewhere. Only successes are kept: a request that was
//! refused changed nothing and may be sent again with the same key. An answer with a secret in it is never kept: the
//! route's [`Repeat`] says what the second sending gets instead.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use domain::{
    ids::{Timestamp, UserId, WorkspaceId},
    problem::{ErrorCode, Extension, FieldError},
};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use crate::{
    caller::Caller,
    error::ApiError,
    policy::{Policy, Repeat},
};

/// Whose key it is: keys of different people never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The person.
    pub user: UserId,
    /// The text the client chose: 1 to 255 visible ASCII characters.
    pub key: String,
}

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status; always a success.
    pub status: u16,
    /// The headers that belong to the answer: `content-type`, `location`, `etag`.
    pub headers: Vec<(String, String)>,
    /// The body; empty if it held a secret.
    pub body: Bytes,
}

/// What the store knows about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing, or it has expired: the request is the caller's to carry out, until `finish` or `forget`.
    Fresh,
    /// The same request is being carried out.
    Running,
    /// Another request used the key.
    Mismatch,
    /// The same request was carried out.
    Done(Answer),
}

/// A store's failure; becomes 503.
pub type StoreError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps keys and answers for 24 hours. A claim that was neither finished nor forgotten lapses after some minutes.
pub trait Store: Send + Sync + 'static {
    /// Takes the key for the request with this hash; of two at once, one gets `Fresh`.
    fn claim<'a>(
        &'a self,
        key: &'a Key,
        request: [u8; 32],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Claim, StoreError>>;
    /// Keeps the answer.
    fn finish<'a>(
        &'a self,
        key: &'a Key,
        answer: Answer,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Gives the key back: the request changed nothing.
    fn forget<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// Largest answer that is kept, in bytes. A larger one is given once.
const LARGEST: u64 = 1024 * 1024;
const HEADER: &str = "idempotency-key";
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The key of a request, if it is a caller's write that names one, on a route that heeds it.
pub(crate) fn key(
    policy: &Policy,
    method: &Method,
    headers: &http::HeaderMap,
    caller: Option<&Caller>,
) -> Result<Option<Key>, ApiError> {
    let (Some(value), Some(caller)) = (headers.get(HEADER), caller) else {
        return Ok(None);
    };
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || policy.repeat() == Repeat::IssuedAnew {
        return Ok(None);
    }
    let text = value.to_str().unwrap_or_default();
    if !(1..=255).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected = "must be 1 to 255 visible ASCII characters without spaces";
        return Err(ApiError::malformed(vec![FieldError::new(
            "Idempotency-Key",
            "malformed_key",
            expected,
        )]));
    }
    Ok(Some(Key {
        workspace: caller.workspace_id,
        user: caller.user_id,
        key: text.to_owned(),
    }))
}

/// The hash by which a repeated request is known: method, path with query, body.
pub(crate) fn fingerprint(method: &Method, uri: &http::Uri, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_str(), uri.path(), uri.query().unwrap_or_default()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(body);
    hash.finalize().into()
}

/// Takes the key, or says what to answer instead of carrying the request out.
pub(crate) async fn claim(
    store: &dyn Store,
    key: &Key,
    request: [u8; 32],
    repeat: Repeat,
    now: Timestamp,
) -> Result<Option<Response>, ApiError> {
    match store.claim(key, request, now).await.map_err(away)? {
        Claim::Fresh => Ok(None),
        Claim::Done(answer) if repeat == Repeat::Refused => Err(shown(answer)),
        Claim::Done(answer) => Ok(Some(replay(answer))),
        Claim::Running => {
            let error = ApiError::new(
                ErrorCode::IdempotencyInProgress,
                "the same request is still being carried out",
            );
            Err(error.retry_after(std::time::Duration::from_secs(1)))
        }
        Claim::Mismatch => Err(ApiError::new(
            ErrorCode::IdempotencyMismatch,
            "the idempotency key was used for another request: choose a new one",
        )),
    }
}

fn away(source: StoreError) -> ApiError {
    ApiError::unavailable(
        "idempotency keys cannot be checked",
        std::time::Duration::from_secs(1),
    )
    .source(source)
}

/// The refusal of a repeat whose answer held a secret. It leads to what the first call made.
fn shown(answer: Answer) -> ApiError {
    let error = ApiError::new(
        ErrorCode::SecretShown,
        "the earlier call with this idempotency key made it and showed its secret, which is kept nowhere: if it was \
         lost, rotate the key that was made",
    );
    let made = answer.headers.into_iter().find(|(name, _)| name == "location");
    match made {
        Some((_, path)) => error.member(Extension::Location, path),
        None => error,
    }
}

fn replay(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    let replayed = HeaderName::from_static("idempotency-replayed");
    response
        .headers_mut()
        .insert(replayed, HeaderValue::from_static("true"));
    response
}

/// Keeps a success, without its body if that holds a secret; gives the key back for anything else. A failure to do so is
/// logged: the answer stands.
pub(crate) async fn settle(
    store: Arc<dyn Store>,
    key: Key,
    response: Response,
    repeat: Repeat,
    now: Timestamp,
) -> Response {
    let short = response
        .body()
        .size_hint()
        .exact()
        .is_some_and(|size| size <= LARGEST);
    if !response.status().is_success() || !short {
        note(store.forget(&key).await);
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return axum::response::IntoResponse::into_response(ApiError::internal(error)),
    };
    let headers = KEPT_HEADERS.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: match repeat {
            Repeat::Answered => body.clone(),
            Repeat::Refused | Repeat::IssuedAnew => Bytes::new(),
        },
    };
    note(store.finish(&key, answer, now).await);
    Response::from_parts(parts, Body::from(body))
}

fn note(outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(
            error,
            "an idempotency key could not be settled; its claim will lapse"
        );
    }
}
