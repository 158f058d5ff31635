//! Use cases: one module per capability. Each takes a [`Ctx`] (who asks), a command, and owns its unit of work.
//!
//! No SQL and no HTTP here: SQL is `store`'s, answers are `server`'s. Time, ids and randomness come from the [`App`].

pub mod admin;
pub mod credits;
mod ctx;
mod error;
pub mod identity;
pub mod limits;

use std::sync::Arc;

pub use ctx::Ctx;
use db::Db;
use domain::ids::{Clock, IdSource};
pub use error::{AppError, Result};

/// What all use cases stand on. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
}

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
}

impl App {
    /// Puts an application together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// The database, for health and metrics; use cases are the way to data.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.parts.db
    }

    pub(crate) fn now(&self) -> domain::ids::Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn ids(&self) -> &dyn IdSource {
        &*self.parts.ids
    }
}
