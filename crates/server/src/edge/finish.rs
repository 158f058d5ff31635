//! What belongs to every request, whoever serves it: its ids, and on the way out its problem, headers, counts and lines.

use std::time::Duration;

use axum::response::Response;
use domain::problem::ErrorCode;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Edge, Finish, Peer};
use crate::{
    denials, error::ApiError, headers, isolation::Outcome, request_log::Line, spans::RequestSpan,
    trace::TraceContext,
};

/// What counts and logs say in place of a status if the client left before its answer.
const CLIENT_LEFT: u16 = 499;

impl Edge {
    /// Renders a problem, adds the headers every answer has, counts, logs the chain of causes once.
    pub(super) fn complete(
        &self,
        response: Response,
        finish: &mut Finish,
        origin: Option<&HeaderValue>,
        peer: Peer,
    ) -> Response {
        let mut response = response;
        let mut code = None;
        if let Some(error) = response.extensions_mut().remove::<ApiError>() {
            code = Some(error.code());
            self.note_denial(error.code(), finish);
            let request_id = finish.request_id.to_str().unwrap_or_default();
            let trace_id = finish.trace.trace_id_text();
            if error.status().is_server_error() && error.status() != http::StatusCode::SERVICE_UNAVAILABLE {
                tracing::error!(request_id, %trace_id, chain = error.chain(), "a request failed");
            } else {
                tracing::debug!(request_id, %trace_id, chain = error.chain(), "a request was refused");
            }
            let carried = std::mem::take(response.headers_mut());
            response = error.render(request_id, &trace_id);
            for (name, value) in &carried {
                if name.as_str().starts_with("ratelimit") {
                    response.headers_mut().insert(name, value.clone());
                }
            }
        }
        let added = response.headers_mut();
        added.insert(HeaderName::from_static("x-request-id"), finish.request_id.clone());
        if let Ok(trace) = HeaderValue::try_from(finish.trace.header()) {
            added.insert(HeaderName::from_static("traceparent"), trace);
        }
        headers::secure(
            added,
            finish.guest.context().map_or(peer.https, |ctx| ctx.https()),
        );
        self.cors.allow(added, origin);
        let (status, took) = (response.status().as_u16(), finish.started.elapsed());
        self.metrics.record(finish.route, status, took);
        finish.guest.answered(Outcome::of(status, code), status);
        self.account_for(Some(status), took, finish);
        response
    }

    /// The client left before its answer: that is counted, and leaves its line and its trace like any other.
    pub(super) fn left(&self, finish: &Finish) {
        self.metrics.record_left(finish.route, CLIENT_LEFT);
        self.account_for(None, finish.started.elapsed(), finish);
    }

    /// Writes the request's line and hands its trace on.
    fn account_for(&self, status: Option<u16>, took: Duration, finish: &Finish) {
        let route = finish.route.map(|index| self.table.endpoints()[index].path);
        let request_id = finish.request_id.to_str().unwrap_or_default();
        if let Some(log) = &self.outside.log {
            log.write(&Line {
                time: self.outside.clock.now(),
                method: finish.method.as_str(),
                route: route.unwrap_or("unmatched"),
                status: status.unwrap_or(CLIENT_LEFT),
                took,
                request_id,
                trace: finish.trace,
                address: finish.address,
                caller: finish.caller.as_deref(),
                meter: &finish.meter,
            });
        }
        if let Some(traces) = self.outside.traces.as_ref().filter(|_| finish.trace.sampled) {
            traces.record(RequestSpan {
                trace: finish.trace,
                method: finish.method.to_string(),
                route,
                status,
                request_id: request_id.to_owned(),
                workspace: finish.caller.as_ref().map(|caller| caller.workspace_id),
                ended: self.outside.clock.now(),
                start: finish.started,
                took,
                parts: finish.meter.take_parts(),
            });
        }
    }

    /// The trace that the request belongs to: its caller's, or one that begins here and is recorded by chance.
    pub(super) fn trace(&self, headers: &HeaderMap) -> TraceContext {
        let mut trace = TraceContext::continue_or_begin(headers.get("traceparent"), &*self.outside.ids);
        if trace.begins() {
            let traces = self.outside.traces.as_ref();
            trace.sampled = traces.is_some_and(|traces| traces.samples(trace.trace_id));
        }
        trace
    }

    fn note_denial(&self, code: ErrorCode, finish: &Finish) {
        let (Some(caller), Some(route)) = (&finish.caller, finish.route) else {
            return;
        };
        denials::note(
            self.outside.denials.as_deref(),
            &self.outside.isolation,
            code,
            (caller, finish.address),
            (&finish.method, self.table.endpoints()[route].path),
        );
    }

    /// The caller's own id if it is sane, else a new one.
    pub(super) fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let sane = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=64).contains(&bytes.len())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        };
        headers
            .get("x-request-id")
            .filter(sane)
            .cloned()
            .unwrap_or_else(|| {
                let id = self.outside.ids.uuid().hyphenated().to_string();
                HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("unknown"))
            })
    }
}
