//! On whose behalf a statement runs.

use std::sync::Arc;

use uuid::Uuid;

use crate::Meter;

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
            meter: Meter::idle(),
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
