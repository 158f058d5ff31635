//! What callers were refused, told to whoever keeps the audit trail.

use std::{net::IpAddr, sync::atomic::Ordering};

use domain::problem::ErrorCode;
use http::Method;

use crate::{caller::Caller, isolation::Isolation};

/// A refusal to a known caller.
#[derive(Clone, Copy, Debug)]
pub struct Denial<'a> {
    /// Who was refused.
    pub caller: &'a Caller,
    /// From where.
    pub address: IpAddr,
    /// The method.
    pub method: &'a Method,
    /// The matched pattern.
    pub route: &'static str,
    /// Whether the thing is hidden or absent (404), rather than beyond the caller's rights (403).
    pub absent: bool,
}

/// Hears of refusals, on the requests' way: it must not wait.
pub trait DenialSink: Send + Sync + 'static {
    /// A caller was refused.
    fn denied(&self, denial: &Denial<'_>);
}

/// What a refusal with this code on this route is: nothing, beyond the caller's rights (false), or absent (true).
fn kind(code: ErrorCode, route: &str) -> Option<bool> {
    match code {
        ErrorCode::Forbidden | ErrorCode::CsrfRejected => Some(false),
        // A list is never absent; a path that names one thing is.
        ErrorCode::NotFound if route.contains('{') => Some(true),
        _ => None,
    }
}

/// Counts a refusal to a known caller, and tells the sink.
pub(crate) fn note(
    sink: Option<&dyn DenialSink>,
    isolation: &Isolation,
    code: ErrorCode,
    (caller, address): (&Caller, IpAddr),
    (method, route): (&Method, &'static str),
) {
    let Some(absent) = kind(code, route) else {
        return;
    };
    let counter = if absent {
        &isolation.absent
    } else {
        &isolation.denied
    };
    counter.fetch_add(1, Ordering::Relaxed);
    if let Some(sink) = sink {
        sink.denied(&Denial {
            caller,
            address,
            method,
            route,
            absent,
        });
    }
}
