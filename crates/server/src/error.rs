//! What an answer says when something went wrong, and how that becomes `application/problem+json` (RFC 9457).
//!
//! The codes, their statuses and titles are the domain's. The edge adds request id and trace id, and logs the chain
//! once. A source never shows in the answer.

use std::{borrow::Cow, collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use domain::problem::{ErrorCode, Extension, FieldError};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;

/// Any error a handler or the edge answers with.
#[derive(Clone)]
pub struct ApiError(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: ErrorCode,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    members: BTreeMap<Extension, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error with this code and a sentence for people. The text must hold no secret and no database message.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self(Arc::new(Parts {
            code,
            status,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            members: BTreeMap::new(),
            headers: Vec::new(),
            source: None,
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// 404: the same for what is hidden and for what never existed.
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    /// 422 with one entry per broken rule.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.message),
            many => format!("{} fields are not valid", many.len()),
        };
        Self::new(ErrorCode::ValidationFailed, detail).change(|parts| parts.errors = errors)
    }

    /// An error of any code about fields.
    pub fn fields(code: ErrorCode, detail: impl Into<Cow<'static, str>>, errors: Vec<FieldError>) -> Self {
        Self::new(code, detail).change(|parts| parts.errors = errors)
    }

    /// 400 about the path, the query or a header.
    pub fn malformed(errors: Vec<FieldError>) -> Self {
        let detail = errors
            .first()
            .map_or_else(String::new, |e| format!("{}: {}", e.field, e.message));
        Self::new(ErrorCode::MalformedRequest, detail).change(|parts| parts.errors = errors)
    }

    /// 401 without a valid credential.
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorCode::Unauthenticated,
            "sign in, or send a valid token or API key",
        )
        .header(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403 that names what is missing.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Forbidden, detail)
    }

    /// 409 that names what contradicts.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, detail)
    }

    /// 503: a queue is full or a dependency is away; try again after `retry_after`.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::new(ErrorCode::Unavailable, detail).retry_after(retry_after)
    }

    /// 500 with the cause for the log alone.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorCode::Internal, "a defect on our side; report the request id").source(source)
    }

    /// Adds the cause; it goes to the log, never into the answer.
    #[must_use]
    pub fn source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = Arc::from(source.into());
        self.change(|parts| parts.source = Some(source))
    }

    /// Adds `Retry-After`, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        self.change(|parts| parts.retry_after = Some(after))
    }

    /// Adds a member to the problem, such as the name of a limit and how much of it is used.
    #[must_use]
    pub fn member(self, name: Extension, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.change(|parts| {
            parts.members.insert(name, value);
        })
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.change(|parts| parts.headers.push((name, value)))
    }

    /// Answers with another status than the code's own: 402 in place of 403 for a limit that money lifts.
    #[must_use]
    pub fn status_override(self, status: StatusCode) -> Self {
        self.change(|parts| parts.status = status)
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The fields that broke a rule.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The chain of causes in one line, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next: Option<&(dyn Error + 'static)> = self.0.source.as_deref().map(|e| e as _);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// Renders the problem for this request.
    pub(crate) fn render(&self, request_id: &str, trace_id: &str) -> Response {
        let parts = &*self.0;
        let problem = Problem {
            r#type: format!("/docs#{}", parts.code.as_str()),
            title: parts.code.title(),
            status: parts.status.as_u16(),
            code: parts.code,
            detail: &parts.detail,
            request_id,
            trace_id,
            errors: &parts.errors,
            members: &parts.members,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (parts.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        for (name, value) in &parts.headers {
            headers.append(name, value.clone());
        }
        if let Some(after) = parts.retry_after {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        response
    }
}

/// Seconds rounded up, at least one: a client that waits so long is not too early.
pub(crate) fn whole_seconds(span: Duration) -> u64 {
    span.as_millis()
        .div_ceil(1000)
        .max(1)
        .try_into()
        .unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: ErrorCode,
    detail: &'a str,
    request_id: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    members: &'a BTreeMap<Extension, Value>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl std::fmt::Debug for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl IntoResponse for ApiError {
    /// Leaves the rendering to the edge, which knows the request's ids.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Vec<FieldError>> for ApiError {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::invalid(errors)
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid(vec![error])
    }
}
