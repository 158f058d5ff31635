//! On whose behalf a statement runs, and the meter that adds up what it cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

/// Whose rows a statement may touch. PostgreSQL enforces it by row-level security.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenant {
    /// One workspace.
    One(Uuid),
    /// Several workspaces, for example those of one account.
    Many(Arc<[Uuid]>),
    /// No workspace: global tables only.
    None,
    /// Workers and administration: every workspace.
    System,
}

/// What a request carries into the database: its tenant and its meter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Whose rows may be touched.
    pub tenant: Tenant,
    /// Where the cost is added up.
    pub meter: Meter,
}

impl Scope {
    /// A scope of this tenant with a meter that counts nothing.
    #[must_use]
    pub const fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            meter: Meter(None),
        }
    }

    /// One workspace.
    #[must_use]
    pub const fn workspace(id: Uuid) -> Self {
        Self::new(Tenant::One(id))
    }

    /// Every workspace, for workers and administration.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(Tenant::System)
    }

    /// Global tables only.
    #[must_use]
    pub const fn global() -> Self {
        Self::new(Tenant::None)
    }

    /// The same scope with this meter.
    #[must_use]
    pub fn with_meter(mut self, meter: Meter) -> Self {
        self.meter = meter;
        self
    }
}

#[derive(Debug, Default)]
struct Counters {
    queries: AtomicU64,
    rows: AtomicU64,
    busy_nanos: AtomicU64,
    wait_nanos: AtomicU64,
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

    fn read(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.0.as_ref().map_or(0, |c| counter(c).load(Ordering::Relaxed))
    }

    pub(crate) fn add_queries(&self, statements: u64, took: Duration) {
        if let Some(c) = &self.0 {
            c.queries.fetch_add(statements, Ordering::Relaxed);
            c.busy_nanos.fetch_add(nanos(took), Ordering::Relaxed);
        }
    }

    pub(crate) fn add_rows(&self, rows: usize) {
        if let Some(c) = &self.0 {
            c.rows.fetch_add(rows as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn add_wait(&self, took: Duration) {
        if let Some(c) = &self.0 {
            c.wait_nanos.fetch_add(nanos(took), Ordering::Relaxed);
        }
    }
}

pub(crate) fn nanos(took: Duration) -> u64 {
    took.as_nanos().try_into().unwrap_or(u64::MAX)
}
