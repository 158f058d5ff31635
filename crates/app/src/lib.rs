//! Use cases: one module per capability. Each takes a [`Ctx`] (who asks), a command, and owns its unit of work.
//!
//! No SQL and no HTTP here: SQL is `store`'s, answers are `server`'s. Time, ids and randomness come from the [`App`].

// Use cases nest futures deeper than the default allows the compiler to look.
#![recursion_limit = "256"]

pub mod activity;
pub mod admin;
pub mod audit;
mod circuit_entry;
pub mod circuit_items;
pub mod circuit_members;
mod circuit_roles;
pub mod circuits;
pub mod credits;
mod ctx;
mod error;
pub mod events;
pub mod figures;
pub mod idempotency;
pub mod identity;
pub mod import;
pub mod items;
pub mod jobs;
mod leaving;
pub mod limits;
pub mod live;
pub mod local_items;
pub mod operations;
pub mod pending;
pub mod push;
mod record;
pub mod rights;
mod workspace_facts;

use std::sync::Arc;

pub use ctx::Ctx;
use db::{Coalescer, Db, Scope, Tenant};
use domain::{
    dfid::Dfid,
    ids::{Clock, IdSource, WorkspaceId},
    problem::ErrorCode,
};
pub use error::{AppError, Result};
pub use record::Record;
use store::items::Item;

/// What all use cases stand on. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    live: Arc<live::Hub>,
    workspaces: Arc<workspace_facts::Cache>,
    refusals: Arc<audit::Refusals>,
    figures: Arc<figures::Kept>,
    incidents_opened: Arc<std::sync::atomic::AtomicU64>,
    lane: push::lane::Lane,
}

/// Point reads of items, shared by all requests that wait for one.
type ItemLoader = Coalescer<(WorkspaceId, Dfid), Item>;

/// What an [`App`] is made of.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Arc<dyn IdSource>,
    /// What identity keeps between requests.
    pub identity: Arc<identity::Services>,
    /// Signalled after a commit that left work in the outbox.
    pub outbox_wake: Arc<tokio::sync::Notify>,
    /// Reads single items; see [`item_loader`].
    pub item_loader: ItemLoader,
}

/// Queries for single items that are under way at a time, and keys in one. One at a time makes the largest batches: a
/// second one would halve them, and the database's work is by query more than by row.
const LOADS: (usize, usize) = (1, 128);

/// The reader of single items: requests that arrive while a query is under way share the next one.
#[must_use]
pub fn item_loader(db: &Db) -> ItemLoader {
    let pressure = db.pressure().clone();
    let db = db.clone();
    Coalescer::new(LOADS.0, LOADS.1, move |keys: Vec<(WorkspaceId, Dfid)>| {
        let db = db.clone();
        async move {
            let mut readers: Vec<_> = keys.iter().map(|(workspace, _)| workspace.uuid()).collect();
            readers.sort_unstable();
            readers.dedup();
            let scope = Scope::new(Tenant::Many(readers.into()));
            store::items::load(&db.scoped(&scope), &keys).await
        }
    })
    .counted_in(&pressure)
}

impl App {
    /// Puts an application together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let live = live::Hub::new(
            parts.db.clone(),
            Arc::clone(&parts.clock),
            live::Limits::default(),
        );
        let lane = push::lane::lane(&parts.db);
        Self {
            parts: Arc::new(parts),
            live,
            workspaces: workspace_facts::Cache::new(workspace_facts::LIFE),
            refusals: Arc::default(),
            figures: Arc::default(),
            incidents_opened: Arc::default(),
            lane,
        }
    }

    /// The same application, remembering what it caches for that long: a workspace's default visibility and data key.
    #[must_use]
    pub fn remembering(mut self, life: std::time::Duration) -> Self {
        self.workspaces = workspace_facts::Cache::new(life);
        self
    }

    /// The database, for health and metrics; use cases are the way to data.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.parts.db
    }

    /// The live channel of this process.
    #[must_use]
    pub const fn live(&self) -> &Arc<live::Hub> {
        &self.live
    }

    /// The clock, for workers.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    /// The source of ids, for workers.
    #[must_use]
    pub fn id_source(&self) -> &Arc<dyn IdSource> {
        &self.parts.ids
    }

    /// Signalled when there is work in the outbox.
    #[must_use]
    pub fn outbox_signal(&self) -> &Arc<tokio::sync::Notify> {
        &self.parts.outbox_wake
    }

    /// Tells the workers that a commit left work in the outbox.
    pub(crate) fn wake_outbox(&self) {
        self.parts.outbox_wake.notify_one();
    }

    /// Commits a unit of work that went well and wakes the workers, else rolls it back.
    pub(crate) async fn finish<T>(&self, outcome: Result<T>, tx: db::Tx) -> Result<T> {
        match outcome {
            Ok(value) => {
                tx.commit().await?;
                self.wake_outbox();
                Ok(value)
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }

    /// Runs a unit of work whose first step must change exactly one row. If it does not, somebody else was first, or the
    /// row is not as the caller believed: then nothing happens, and `otherwise` is the answer.
    pub(crate) async fn run_if_first(
        &self,
        scope: &Scope,
        steps: Vec<db::Step>,
        otherwise: AppError,
    ) -> Result<()> {
        let tx = self.db().begin(scope).await?;
        let affected = tx.pipeline(steps).await?;
        let outcome = match affected.first() {
            Some(1) => Ok(()),
            _ => Err(otherwise),
        };
        self.finish(outcome, tx).await
    }

    /// Runs steps whose first one is a conditional transition: if somebody else was first, nothing happens.
    pub(crate) async fn decide(&self, scope: &Scope, record: Record<'_>, too_late: &str) -> Result<()> {
        let too_late = AppError::new(ErrorCode::InvalidTransition, too_late);
        self.run_if_first(scope, record.steps, too_late).await
    }

    pub(crate) fn now(&self) -> domain::ids::Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn ids(&self) -> &dyn IdSource {
        &*self.parts.ids
    }
}
