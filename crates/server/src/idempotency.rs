//! `Idempotency-Key` on writes: the same request again gets the same answer, for 24 hours.
//!
//! Only successful answers are kept: a refused request changed nothing and may be sent again under its key.

use std::sync::Arc;

use app::{
    App,
    idempotency::{Answer, Begin, IdempotencyKey},
};
use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};

use crate::{
    ApiError, Ctx,
    body::BodyError,
    platform::context,
    routes::{BoundRoutes, Handle},
};

/// Name of the request header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Largest answer that is kept, in bytes; the answer to a larger one is not repeated.
const MAX_ANSWER: usize = 1024 * 1024;
/// Headers that belong to the answer and not to the connection.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// Makes every write among the routes honour the key.
#[must_use]
pub fn idempotent(routes: BoundRoutes, app: &App) -> BoundRoutes {
    routes.wrap_writes(|handle| {
        let app = app.clone();
        Arc::new(move |request: Request| {
            let (app, handle) = (app.clone(), Arc::clone(&handle));
            Box::pin(async move {
                if !request.headers().contains_key(KEY) {
                    return handle(request).await;
                }
                serve(&app, &handle, request).await.unwrap_or_else(IntoResponse::into_response)
            })
        })
    })
}

/// Whether a method writes.
pub(crate) const fn writes(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
}

async fn serve(app: &App, handle: &Handle, request: Request) -> Result<Response, ApiError> {
    let ctx = request.extensions().get::<Ctx>().cloned();
    let Some(ctx) = ctx.filter(|ctx| ctx.maybe_caller().is_some()) else {
        // Nobody to keep an answer for.
        return Ok(handle(request).await);
    };
    let key = request.headers().get(KEY).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.map_err(BodyError::explain)?.to_bytes();
    let mut hash = Sha256::new();
    for part in [parts.method.as_str(), " ", parts.uri.path(), "?", parts.uri.query().unwrap_or_default(), "\n"] {
        hash.update(part);
    }
    hash.update(&bytes);
    match app.begin_idempotent(&context(&ctx)?, &key, hash.finalize().into()).await? {
        Begin::Replay(answer) => Ok(replay(answer)),
        Begin::Run(key) => {
            let running = (handle)(Request::from_parts(parts, Body::from(bytes)));
            // A task of its own: it ends, and its answer is kept, also when the client leaves meanwhile.
            let app = app.clone();
            let task = tokio::spawn(async move { keep(&app, &key, running.await).await });
            task.await.map_err(|error| ApiError::internal(format!("a write under an idempotency key: {error}")))
        }
    }
}

/// Keeps a successful answer, or frees the key.
async fn keep(app: &App, key: &IdempotencyKey, response: Response) -> Response {
    if !response.status().is_success() || response.extensions().get::<ApiError>().is_some() {
        if let Err(error) = app.free_key(key).await {
            tracing::warn!(%error, "could not free an idempotency key; it frees itself");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return ApiError::internal(error).into_response(),
    };
    let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let headers = KEPT.iter().filter_map(|name| Some((name.to_string(), text(name)?))).collect();
    let answer = Answer { status: parts.status.as_u16(), headers, body: bytes.to_vec() };
    if let Err(error) = app.keep_answer(key, answer).await {
        tracing::warn!(%error, "could not keep an answer under its idempotency key");
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn replay(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
