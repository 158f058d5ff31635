//! The context of one request: passed on, never looked up. One request is an island.

use db::{Meter, Scope};
use domain::{
    caller::Caller,
    ids::{UserId, WorkspaceId},
};

/// Who asks, from where, and the meter that adds up what it cost.
///
/// It can't be made without a caller: anonymous use cases don't take one.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// The authenticated caller.
    pub caller: Caller,
    /// The client's address, from the connection or a trusted proxy.
    pub address: String,
    /// The request's id, for support.
    pub request_id: String,
    /// Counts statements and database time.
    pub meter: Meter,
}

impl Ctx {
    /// The tenant that every query of this request names.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        self.caller.workspace_id
    }

    /// The acting user.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.caller.user_id
    }

    /// The database scope of the caller's workspace.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::workspace(self.workspace().uuid()).with_meter(self.meter.clone())
    }

    /// The scope for what belongs to no tenant, or to several before the right one is known.
    ///
    /// Each use says in a comment why the tenant's own scope does not do.
    #[must_use]
    pub fn system_scope(&self) -> Scope {
        Scope::system().with_meter(self.meter.clone())
    }
}
