//! A traced request with its parts, as it is handed to whoever exports it. How it leaves the process is not known here.

use std::time::{Duration, Instant};

use db::Parts;
use domain::ids::{Timestamp, WorkspaceId};

use crate::trace::TraceContext;

/// Takes traced requests. Called on the request's way: must not block.
pub trait TraceSink: Send + Sync + 'static {
    /// Whether a trace that begins here is recorded. A caller's own decision comes with its `traceparent` and counts.
    fn samples(&self, trace_id: u128) -> bool;
    /// A request is over.
    fn record(&self, span: RequestSpan);
    /// What did not leave the process.
    fn lost(&self) -> LostSpans;
}

/// Spans, parts counted like requests, that were recorded and reached nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostSpans {
    /// Too many waited.
    pub queue: u64,
    /// They were sent, and not taken.
    pub sending: u64,
}

/// A request that was traced.
#[derive(Debug)]
pub struct RequestSpan {
    /// The trace, the caller's span and this one.
    pub trace: TraceContext,
    /// The method.
    pub method: String,
    /// The matched pattern; none if no route matched.
    pub route: Option<&'static str>,
    /// The status of the answer; none if its client left before.
    pub status: Option<u16>,
    /// The request's id, as in the answer and the log.
    pub request_id: String,
    /// On whose behalf it was.
    pub workspace: Option<WorkspaceId>,
    /// When its answer was ready, or its client left, by the clock.
    pub ended: Timestamp,
    /// When it arrived, to place the parts by.
    pub start: Instant,
    /// From its arrival to the head of its answer, or until its client left.
    pub took: Duration,
    /// Statements, waits and other steps.
    pub parts: Parts,
}
