//! gzip of large JSON answers, on threads of their own: an async worker never compresses.
//!
//! Small answers pass untouched; what it costs them is one look at `Accept-Encoding`. Streams, files, and answers with
//! an `ETag` (one entity; the tag names these very bytes) pass as well.
//!
//! BREACH (CVE-2013-3587) guesses a secret of an answer from its compressed length. It needs a browser that sends the
//! victim's credential by itself, so answers to callers known by their cookie are never compressed, nor any that sets
//! a cookie. Bearer tokens and API keys are sent by nobody but the program that holds them.

use std::{
    io::{Read as _, Result},
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use domain::caller::Credential;
use flate2::{Compression, bufread::GzEncoder};
use http::{HeaderMap, HeaderValue, header, response::Parts};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;

use crate::context::RequestContext;

/// Smallest body that is compressed, in bytes: below, a packet or two are saved at most.
const LEAST: u64 = 4 * 1024;
/// Largest, in bytes: it is held in memory twice.
const MOST: u64 = 16 * 1024 * 1024;

/// Compresses as many answers at once as there are processors; more leave as they are.
pub(crate) struct Compressor {
    slots: Arc<Semaphore>,
}

impl Compressor {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            slots: Arc::new(Semaphore::new(cores)),
        }
    }

    /// The answer, compressed where that helps and is safe; `skipped` counts those for which no thread was free.
    pub(crate) async fn offer(
        &self,
        response: Response,
        ctx: Option<&RequestContext>,
        skipped: &AtomicU64,
    ) -> Response {
        if !worthwhile(&response) || ctx.is_none_or(by_cookie) {
            return response;
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            skipped.fetch_add(1, Ordering::Relaxed);
            return response;
        };
        let (mut parts, body) = response.into_parts();
        let Ok(plain) = body.collect().await.map(|body| body.to_bytes()) else {
            return broken(parts);
        };
        let original = plain.clone();
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            gzip(&original)
        });
        match work.await {
            Ok(Ok(packed)) => {
                let coding = HeaderValue::from_static("gzip");
                parts.headers.insert(header::CONTENT_ENCODING, coding);
                parts.headers.remove(header::CONTENT_LENGTH);
                Response::from_parts(parts, Body::from(packed))
            }
            _ => Response::from_parts(parts, Body::from(plain)),
        }
    }
}

fn gzip(plain: &Bytes) -> Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(plain.len() / 4);
    GzEncoder::new(&**plain, Compression::fast()).read_to_end(&mut packed)?;
    Ok(packed)
}

/// An answer whose body broke off before anything was sent.
fn broken(mut parts: Parts) -> Response {
    parts.status = http::StatusCode::INTERNAL_SERVER_ERROR;
    parts.headers.clear();
    Response::from_parts(parts, Body::empty())
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3): named, or meant by `*`, with a weight above zero.
pub(crate) fn accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut any = false;
    for coding in codings {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().trim_start_matches("q=");
        let wanted = weight.parse::<f32>().unwrap_or(1.0) > 0.0;
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

fn worthwhile(response: &Response) -> bool {
    let length = response.body().size_hint().exact();
    if !length.is_some_and(|length| (LEAST..=MOST).contains(&length)) {
        return false;
    }
    let headers = response.headers();
    let excluded = [header::CONTENT_ENCODING, header::ETAG, header::SET_COOKIE];
    let json = |value: &HeaderValue| {
        value
            .to_str()
            .is_ok_and(|text| text.starts_with("application/json"))
    };
    !excluded.iter().any(|name| headers.contains_key(name))
        && headers.get(header::CONTENT_TYPE).is_some_and(json)
}

fn by_cookie(ctx: &RequestContext) -> bool {
    let caller = ctx.caller.as_deref();
    caller.is_some_and(|caller| matches!(caller.credential, Credential::Cookie(_)))
}
