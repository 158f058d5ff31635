//! What a request cost: its totals, and each of its parts where the request is traced.

use std::borrow::Cow;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most parts of one request that are kept; those beyond are counted.
const MOST_PARTS: usize = 256;

#[derive(Debug, Default)]
struct Counters {
    queries: AtomicU64,
    rows: AtomicU64,
    busy_nanos: AtomicU64,
    wait_nanos: AtomicU64,
    parts: Option<Mutex<Parts>>,
}

/// The parts of a traced request.
#[derive(Debug, Default)]
pub struct Parts {
    /// In the order in which they ended.
    pub kept: Vec<Part>,
    /// How many there were beyond the bound.
    pub dropped: u32,
}

/// One part of a traced request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The statement's name, or the step's.
    pub name: Cow<'static, str>,
    /// What it was.
    pub kind: PartKind,
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub took: Duration,
    /// Whether it did what it was for.
    pub ok: bool,
}

/// What a part of a request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A statement, or a batch under the name of its first one.
    Query,
    /// Any other step, among them the wait for a connection.
    Step,
}

/// Adds up a request's database use; the request log reads it. The default counts nothing.
#[derive(Debug, Clone, Default)]
pub struct Meter(Option<Arc<Counters>>);

impl Meter {
    /// A meter that counts.
    #[must_use]
    pub fn counting() -> Self {
        Self(Some(Arc::default()))
    }

    /// A meter that counts and keeps each part, for a request that is traced.
    #[must_use]
    pub fn tracing() -> Self {
        Self(Some(Arc::new(Counters {
            parts: Some(Mutex::default()),
            ..Counters::default()
        })))
    }

    /// A meter that counts nothing.
    pub(crate) const fn idle() -> Self {
        Self(None)
    }

    /// Statements run so far.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.read(|c| &c.queries)
    }

    /// Rows read and changed so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.read(|c| &c.rows)
    }

    /// Time spent in statements so far, waits excluded.
    #[must_use]
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.read(|c| &c.busy_nanos))
    }

    /// Time spent waiting for a connection so far.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_nanos(self.read(|c| &c.wait_nanos))
    }

    /// Takes the parts kept so far; none if the request is not traced.
    #[must_use]
    pub fn take_parts(&self) -> Parts {
        let parts = self.0.as_ref().and_then(|c| c.parts.as_ref());
        parts.map_or_else(Parts::default, |parts| std::mem::take(&mut *lock(parts)))
    }

    /// Does `work` as a step of this name. It costs nothing where the request is not traced.
    pub async fn step<T, E>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.0.as_ref().is_none_or(|c| c.parts.is_none()) {
            return work.await;
        }
        let start = Instant::now();
        let result = work.await;
        self.keep(
            name.into(),
            PartKind::Step,
            start,
            start.elapsed(),
            result.is_ok(),
        );
        result
    }

    /// Does `work` as a share in a statement that serves several requests: a statement of this request, under this
    /// name where it is traced. Its time is counted with the wait for the one before.
    pub async fn share<T, E>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let start = Instant::now();
        let result = self.step(name, work).await;
        if let Some(c) = &self.0 {
            c.queries.fetch_add(1, Ordering::Relaxed);
            c.busy_nanos.fetch_add(nanos(start.elapsed()), Ordering::Relaxed);
        }
        result
    }

    /// Adds an equal share, rounded up, of what a unit of work used that so many requests had in common.
    pub fn add_share(&self, common: &Self, among: usize) {
        let among = among.max(1) as u64;
        if let (Some(c), Some(common)) = (&self.0, &common.0) {
            for (own, all) in [
                (&c.queries, &common.queries),
                (&c.rows, &common.rows),
                (&c.busy_nanos, &common.busy_nanos),
                (&c.wait_nanos, &common.wait_nanos),
            ] {
                own.fetch_add(all.load(Ordering::Relaxed).div_ceil(among), Ordering::Relaxed);
            }
        }
    }

    fn read(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.0.as_ref().map_or(0, |c| counter(c).load(Ordering::Relaxed))
    }

    pub(crate) fn add_queries(
        &self,
        name: &'static str,
        count: u64,
        start: Instant,
        took: Duration,
        ok: bool,
    ) {
        if let Some(c) = &self.0 {
            c.queries.fetch_add(count, Ordering::Relaxed);
            c.busy_nanos.fetch_add(nanos(took), Ordering::Relaxed);
            self.keep(name.into(), PartKind::Query, start, took, ok);
        }
    }

    pub(crate) fn add_rows(&self, rows: usize) {
        if let Some(c) = &self.0 {
            c.rows.fetch_add(rows as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn add_wait(&self, pool: &'static str, start: Instant, took: Duration, ok: bool) {
        if let Some(c) = &self.0 {
            c.wait_nanos.fetch_add(nanos(took), Ordering::Relaxed);
            if c.parts.is_some() {
                let name = format!("acquire a connection of the {pool} pool");
                self.keep(name.into(), PartKind::Step, start, took, ok);
            }
        }
    }

    fn keep(&self, name: Cow<'static, str>, kind: PartKind, start: Instant, took: Duration, ok: bool) {
        let Some(parts) = self.0.as_ref().and_then(|c| c.parts.as_ref()) else {
            return;
        };
        let mut parts = lock(parts);
        if parts.kept.len() < MOST_PARTS {
            parts.kept.push(Part {
                name,
                kind,
                start,
                took,
                ok,
            });
        } else {
            parts.dropped = parts.dropped.saturating_add(1);
        }
    }
}

fn lock(parts: &Mutex<Parts>) -> std::sync::MutexGuard<'_, Parts> {
    // farmgate: allow(blocking-lock) because only one request holds it, for a few instructions, never across an await
    parts.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn nanos(took: Duration) -> u64 {
    took.as_nanos().try_into().unwrap_or(u64::MAX)
}
