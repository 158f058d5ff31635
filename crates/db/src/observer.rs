//! What the database layer tells the outside about itself. The metrics live elsewhere.

use std::time::Duration;

/// Hears about every statement and every wait. Called on hot paths: must not block.
pub trait Observer: Send + Sync + 'static {
    /// A statement, or a batch under the name of its first one, ended.
    fn query(&self, name: &'static str, took: Duration, ok: bool);
    /// A caller got a connection, or gave up, after this wait. `pool` is `app`, `system`, `replica`, `read`
    /// or `write`.
    fn waited(&self, pool: &'static str, took: Duration, ok: bool);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn query(&self, _name: &'static str, _took: Duration, _ok: bool) {}
    fn waited(&self, _pool: &'static str, _took: Duration, _ok: bool) {}
}

/// A snapshot of one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// `app`, `system` or `replica`; `read` or `write` on SQLite.
    pub pool: &'static str,
    /// Connections, or SQLite threads, that exist.
    pub size: usize,
    /// Those at work.
    pub active: usize,
    /// Those at rest.
    pub idle: usize,
    /// Callers that have had to wait or queue, since the start.
    pub waits: u64,
    /// The time they waited in total, since the start.
    pub wait_time: Duration,
    /// Callers or jobs in the queue now.
    pub queued: usize,
}

/// A snapshot of the replica's use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplicaStats {
    /// It answers, and is not too far behind to serve reads.
    pub usable: bool,
    /// Bytes of the primary's log that it had not replayed at the last look.
    pub lag_bytes: u64,
    /// Reads it served.
    pub reads: u64,
    /// Reads it might have served that went to the primary: after a write that was not replayed yet, or while it
    /// was lost.
    pub passed_on: u64,
}
