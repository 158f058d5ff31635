//! The evidence that requests are islands: which are open, what each left behind, what was denied, what leaked.
//!
//! Everything here is of this process, in memory and bounded. Nothing waits: records lie in a ring that is written by
//! number, open requests in a sharded map. `guest` accompanies each request and notes what is kept here; how it is
//! shown stands in [`crate::routes::isolation`].

mod guest;

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use domain::{
    ids::{Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use http::Method;

use crate::{context::RequestContext, fair::FairQueue, metrics::Metrics};

pub(crate) use guest::Guest;

/// One of so many requests leaves a record; those that end unusually all do.
const SAMPLE: u64 = 64;
/// Records kept.
const RECORDS: u64 = 512;
/// Contexts remembered that somebody still held when their request ended.
const MOST_HELD: usize = 1_000;
/// Time after its request's end from which on a context that is still held counts as leaked. Writes with an idempotency
/// key go on after their client left, within their budget.
const GRACE: Duration = Duration::from_secs(30);

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With success or a redirect.
    Answered,
    /// With a 4xx.
    Refused,
    /// With a 5xx.
    Failed,
    /// Its time budget ran out.
    OutOfTime,
    /// Its answer held another tenant's data and was withheld.
    Breach,
    /// Its client left before the answer.
    ClientLeft,
}

impl Outcome {
    /// The outcome of an answer with this status and, if it is a problem, this code.
    #[must_use]
    pub const fn of(status: u16, code: Option<ErrorCode>) -> Self {
        match (status, code) {
            (_, Some(ErrorCode::IsolationBreach)) => Self::Breach,
            (_, Some(ErrorCode::DeadlineExceeded)) => Self::OutOfTime,
            (500.., _) => Self::Failed,
            (400..500, _) => Self::Refused,
            _ => Self::Answered,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::OutOfTime => "out_of_time",
            Self::Breach => "breach",
            Self::ClientLeft => "client_left",
        }
    }

    const fn is_usual(self) -> bool {
        matches!(self, Self::Answered | Self::Refused)
    }
}

/// What one request left behind.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id.
    pub request_id: String,
    /// The method.
    pub method: Method,
    /// The matched pattern.
    pub route: &'static str,
    /// Whose tenant it ran in; none if anonymous.
    pub workspace: Option<WorkspaceId>,
    /// On whose behalf.
    pub user: Option<UserId>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The status it was answered with; none if its client left.
    pub status: Option<u16>,
    /// From arrival to the end of the answer.
    pub took: Duration,
    /// Statements it ran.
    pub queries: u64,
    /// Rows these gave.
    pub rows: u64,
    context: Weak<RequestContext>,
}

impl Record {
    /// Whether nobody holds its context any more.
    #[must_use]
    pub fn cleaned_up(&self) -> bool {
        self.context.strong_count() == 0
    }
}

/// A request that is being served.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// Its context; gone if it has just ended.
    pub context: Arc<RequestContext>,
    /// For how long it has been open.
    pub age: Duration,
    /// Whether it has outlived its time budget. Streams may, after the head of their answer.
    pub over_budget: bool,
}

struct Opened {
    context: Weak<RequestContext>,
    started: Instant,
}

/// A context that somebody held after its request had ended.
struct Held {
    context: Weak<RequestContext>,
    ended: Instant,
}

/// What the process knows about its requests' isolation.
pub struct Isolation {
    sample: u64,
    numbers: AtomicU64,
    open: DashMap<u64, Opened>,
    held: DashMap<u64, Held>,
    records: DashMap<u64, Record>,
    written: AtomicU64,
    /// Requests answered 403: the caller may see the thing, not do this.
    pub denied: AtomicU64,
    /// Requests about one thing answered 404: it is hidden from the caller, or does not exist.
    pub absent: AtomicU64,
    /// Answers withheld by the outgoing guard.
    pub violations: AtomicU64,
    /// Answers the outgoing guard looked at.
    pub guarded: AtomicU64,
    edge: OnceLock<EdgeParts>,
}

struct EdgeParts {
    metrics: Arc<Metrics>,
    fair: Arc<FairQueue>,
}

/// What is in use at this moment; everything but `connections` returns to zero when nobody asks for anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Requests being served.
    pub open_contexts: i64,
    /// Connections open.
    pub connections: i64,
    /// Slots of the fair queue.
    pub slots: usize,
    /// Callers that hold or await a slot.
    pub callers: usize,
    /// Requests that wait for a slot.
    pub waiting: usize,
}

impl Default for Isolation {
    fn default() -> Self {
        Self::sampling(SAMPLE)
    }
}

impl Isolation {
    /// Keeps a record of one request in `every`.
    #[must_use]
    pub fn sampling(every: u64) -> Self {
        Self {
            sample: every.max(1),
            numbers: AtomicU64::new(0),
            open: DashMap::new(),
            held: DashMap::new(),
            records: DashMap::new(),
            written: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            absent: AtomicU64::new(0),
            violations: AtomicU64::new(0),
            guarded: AtomicU64::new(0),
            edge: OnceLock::new(),
        }
    }

    /// Says what the edge uses. A second call changes nothing.
    pub(crate) fn attach(&self, metrics: &Arc<Metrics>, fair: &Arc<FairQueue>) {
        let _ = self.edge.set(EdgeParts {
            metrics: Arc::clone(metrics),
            fair: Arc::clone(fair),
        });
    }

    /// One request in so many leaves a record.
    #[must_use]
    pub const fn sample(&self) -> u64 {
        self.sample
    }

    /// Records written since the start; the last of them are kept.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// What is in use now.
    #[must_use]
    pub fn in_use(&self) -> InUse {
        let Some(edge) = self.edge.get() else {
            return InUse::default();
        };
        let (slots, callers, waiting) = edge.fair.state();
        InUse {
            open_contexts: edge.metrics.open_contexts.load(Ordering::Relaxed),
            connections: edge.metrics.connections.load(Ordering::Relaxed),
            slots,
            callers,
            waiting,
        }
    }

    /// The requests being served, oldest first, at most `limit`.
    #[must_use]
    pub fn open_requests(&self, limit: usize) -> Vec<OpenRequest> {
        let now = Instant::now();
        let mut open: Vec<_> = self
            .open
            .iter()
            .filter_map(|entry| {
                let context = entry.context.upgrade()?;
                Some(OpenRequest {
                    age: now.saturating_duration_since(entry.started),
                    over_budget: now > context.deadline,
                    context,
                })
            })
            .collect();
        open.sort_unstable_by_key(|context| std::cmp::Reverse(context.age));
        open.truncate(limit);
        open
    }

    /// Contexts that somebody still holds long after their request ended: what leaked, oldest first.
    #[must_use]
    pub fn leaked(&self) -> Vec<(Arc<RequestContext>, Duration)> {
        self.leaked_after(GRACE)
    }

    /// The same with another time that they may be held.
    #[must_use]
    pub fn leaked_after(&self, grace: Duration) -> Vec<(Arc<RequestContext>, Duration)> {
        self.held.retain(|_, held| held.context.strong_count() > 0);
        let mut leaked: Vec<_> = self
            .held
            .iter()
            .filter_map(|held| Some((held.context.upgrade()?, held.ended.elapsed())))
            .filter(|(_, since)| *since >= grace)
            .collect();
        leaked.sort_unstable_by_key(|leak| std::cmp::Reverse(leak.1));
        leaked
    }

    /// The records kept, newest first, at most `limit`.
    #[must_use]
    pub fn records(&self, limit: usize) -> Vec<Record> {
        let newest = self.written();
        (newest.saturating_sub(RECORDS)..newest)
            .rev()
            .filter_map(|number| self.records.get(&(number % RECORDS)).map(|record| record.clone()))
            .take(limit)
            .collect()
    }

    fn keep(&self, record: Record) {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        self.records.insert(number % RECORDS, record);
    }

    /// Looks after a context that its request did not hold alone at its end.
    fn watch(&self, number: u64, context: &Arc<RequestContext>) {
        if self.held.len() >= MOST_HELD {
            self.held.retain(|_, held| held.context.strong_count() > 0);
        }
        if self.held.len() < MOST_HELD {
            let held = Held {
                context: Arc::downgrade(context),
                ended: Instant::now(),
            };
            self.held.insert(number, held);
        }
    }
}
