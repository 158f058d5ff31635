//! The way from plain HTTP to HTTPS: the same host, path and query, and the method kept.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{HeaderValue, Request, StatusCode, header, uri::Authority};

use crate::metrics::Metrics;

/// The port that URLs of HTTPS leave out.
const HTTPS: u16 = 443;

/// Sends every request on.
#[derive(Debug)]
pub struct Redirect {
    port: u16,
    metrics: Arc<Metrics>,
}

impl Redirect {
    /// Sends to this port; connections count in these metrics.
    #[must_use]
    pub fn new(port: u16, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { port, metrics })
    }

    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// 308, or 400 without a host to send to.
    pub(crate) fn answer(&self, request: &Request<Body>) -> Response {
        let mut response = Response::new(Body::empty());
        let fixed = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, fixed);
        *response.status_mut() = match self.location(request) {
            Some(location) => {
                response.headers_mut().insert(header::LOCATION, location);
                StatusCode::PERMANENT_REDIRECT
            }
            None => StatusCode::BAD_REQUEST,
        };
        response
    }

    fn location(&self, request: &Request<Body>) -> Option<HeaderValue> {
        let host = match request.uri().authority() {
            Some(authority) => authority.clone(),
            None => {
                let host = request.headers().get(header::HOST)?;
                host.to_str().ok()?.parse::<Authority>().ok()?
            }
        };
        let port = match self.port {
            HTTPS => String::new(),
            port => format!(":{port}"),
        };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        HeaderValue::try_from(format!("https://{}{port}{path}", host.host())).ok()
    }
}
