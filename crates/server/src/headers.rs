//! Headers that every answer carries, the CORS allow-list, and the client's address.

use std::net::IpAddr;

use axum::{body::Body, extract::Request, response::Response};
use domain::identity::Cidr;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    error::whole_seconds,
    rate::{Decision, Quota},
};

/// Adds what every answer has, unless the handler said otherwise.
pub(crate) fn secure(headers: &mut HeaderMap, https: bool) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::VARY,
            "accept-encoding, authorization, cookie, origin, x-api-key",
        ),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if https {
        let value = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
}

/// Adds `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
pub(crate) fn rate_limit(headers: &mut HeaderMap, decision: &Decision, quota: Quota) {
    let policy = format!("\"default\";q={};w={}", quota.requests, quota.window.as_secs());
    let state = format!(
        "\"default\";r={};t={}",
        decision.remaining,
        whole_seconds(decision.reset)
    );
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The client's address: the last one in `X-Forwarded-For` that no trusted proxy added.
pub(crate) fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut address = peer;
    if !is_trusted(peer) {
        return address;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in value.to_str().unwrap_or_default().rsplit(',') {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else {
                return address;
            };
            address = IpAddr::to_canonical(&hop);
            if !is_trusted(hop) {
                return address;
            }
        }
    }
    address
}

/// Whether a trusted proxy says that its client came over TLS.
pub(crate) fn proxy_says_https(headers: &HeaderMap, peer: IpAddr, trusted: &[Cidr]) -> bool {
    let trusted = trusted.iter().any(|range| range.contains(peer));
    trusted
        && headers
            .get("x-forwarded-proto")
            .is_some_and(|proto| proto == "https")
}

/// The part of an address that one customer has: all of IPv4, the /64 of IPv6.
pub(crate) fn address_bits(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6) >> 64 << 64,
    }
}

/// The origins that browsers may call from.
pub(crate) struct Cors {
    allowed: Vec<HeaderValue>,
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self {
            allowed: origins
                .iter()
                .filter_map(|origin| HeaderValue::try_from(origin.as_str()).ok())
                .collect(),
        }
    }

    fn known(&self, origin: Option<&HeaderValue>) -> Option<&HeaderValue> {
        self.allowed.iter().find(|allowed| Some(*allowed) == origin)
    }

    /// The answer to a preflight from an allowed origin.
    pub(crate) fn preflight(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        self.known(headers.get(header::ORIGIN))?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fixed = [
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                "DELETE, GET, PATCH, POST, PUT",
            ),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "authorization, content-type, idempotency-key, if-match, if-none-match, x-api-key, x-csrf-token",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        for (name, value) in fixed {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }

    /// Lets an allowed origin read the answer.
    pub(crate) fn allow(&self, headers: &mut HeaderMap, origin: Option<&HeaderValue>) {
        if let Some(origin) = self.known(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            let exposed = HeaderValue::from_static("etag, location, ratelimit, retry-after, x-request-id");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}
