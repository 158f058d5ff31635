//! The shapes of successful answers: pages, things just created, entities with a version.

use axum::{
    BoxError,
    body::Body,
    response::{IntoResponse, Response},
};
use domain::page::Page;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::Json;

/// One page of a list, as every list answers.
#[derive(Debug, Serialize)]
pub struct Listing<T> {
    /// The entries, in order.
    pub data: Vec<T>,
    /// Where the page stands in the list.
    pub pagination: Pagination,
    /// Number of entries in the whole list, if `with_total` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Where a page stands in its list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// The most entries this page could have had.
    pub limit: u32,
    /// Pass it as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Whether another page follows.
    pub has_more: bool,
}

impl<T> Listing<T> {
    /// Turns a page of domain entries into its answer.
    pub fn new<U>(page: Page<U>, limit: u32, total: Option<u64>, view: impl FnMut(U) -> T) -> Self {
        let next_cursor = page.next.as_ref().map(domain::page::Cursor::encode);
        let pagination = Pagination {
            limit,
            has_more: next_cursor.is_some(),
            next_cursor,
        };
        Self {
            data: page.data.into_iter().map(view).collect(),
            pagination,
            total,
        }
    }
}

impl<T> Listing<T> {
    /// The same where a view can fail, because a stored document makes no sense.
    ///
    /// # Errors
    /// The first view's error.
    pub fn try_new<U, E>(
        page: Page<U>,
        limit: u32,
        total: Option<u64>,
        view: impl FnMut(U) -> Result<T, E>,
    ) -> Result<Self, E> {
        let data: Result<Vec<T>, E> = page.data.into_iter().map(view).collect();
        Ok(Self::new(
            Page {
                data: data?,
                next: page.next,
            },
            limit,
            total,
            |view| view,
        ))
    }
}

impl<T: Serialize> IntoResponse for Listing<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// 201 with `Location`, and an `ETag` if the entity has a version.
#[derive(Debug)]
pub struct Created<T> {
    /// Path of the new entity.
    pub location: String,
    /// Its version, if it has one.
    pub version: Option<u64>,
    /// The entity.
    pub body: T,
}

impl<T> Created<T> {
    /// An entity without a version.
    pub const fn at(location: String, body: T) -> Self {
        Self {
            location,
            version: None,
            body,
        }
    }
}

impl<T: Serialize> Created<T> {
    /// The answer to what may be asked again: 201 if it is `new`, else 200 with the same body.
    pub fn or_ok(self, new: bool) -> Response {
        let mut response = self.into_response();
        if !new {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(header::LOCATION);
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if let Some(version) = self.version {
            response.headers_mut().insert(header::ETAG, etag(version));
        }
        response
    }
}

/// 200 with a body that comes in pieces. The first is there before the head is sent, so that a refusal is an answer and
/// not a broken body.
pub fn pieces<E: Into<BoxError> + Send + 'static>(
    media_type: &'static str,
    first: Vec<u8>,
    rest: impl Stream<Item = Result<Vec<u8>, E>> + Send + 'static,
) -> Response {
    let all = stream::iter([Ok(first)]).chain(rest);
    let mut response = Response::new(Body::from_stream(all));
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// 204 without a body.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// 200 with the entity and its `ETag`; 304 where `If-None-Match` names the version.
#[derive(Debug)]
pub struct Tagged<T> {
    version: u64,
    unchanged: bool,
    body: T,
}

impl<T> Tagged<T> {
    /// The entity in this version.
    pub const fn new(version: u64, body: T) -> Self {
        Self {
            version,
            unchanged: false,
            body,
        }
    }

    /// Answers 304 if the request already has this version.
    #[must_use]
    pub fn unless_known(mut self, request: &HeaderMap) -> Self {
        let tag = etag(self.version);
        let tag = tag.to_str().unwrap_or_default();
        self.unchanged = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag);
        self
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = if self.unchanged {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Json(self.body).into_response()
        };
        response.headers_mut().insert(header::ETAG, etag(self.version));
        response
    }
}

/// The strong entity tag of a version: `"7"`.
#[must_use]
pub fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}
