//! People and programs: names, addresses, roles, states, passwords, API keys, address ranges.
//!
//! Hashing passwords and keeping sessions is done elsewhere; here is what a valid one looks like.

mod api_key;
mod cidr;
mod names;
mod password;

pub use api_key::{ApiKeyError, ApiKeyToken, ApiScope};
pub use cidr::{Cidr, CidrError};
pub use names::{Email, Username, check_workspace_name, slug};
pub use password::{
    MAX_BYTES as MAX_PASSWORD_BYTES, MIN_CHARACTERS as MIN_PASSWORD_CHARACTERS, check_password,
};

use crate::words::words;

words! {
    /// A member's role in a workspace, from least to most.
    Role, "role" {
        /// Reads.
        Viewer = "viewer",
        /// Reads and writes.
        Member = "member",
        /// Also manages members, keys and settings.
        Admin = "admin",
        /// Everything, closing the workspace included.
        Owner = "owner",
    }
}

impl Role {
    /// Whether somebody with this role may give, change or take away `other`: administrators up to their own role.
    #[must_use]
    pub fn may_assign(self, other: Self) -> bool {
        self >= Self::Admin && other <= self
    }
}

words! {
    /// Whether an account may be used.
    UserStatus, "user status" {
        /// In use.
        Active = "active",
        /// Waits for the confirmation of its address.
        PendingVerification = "pending_verification",
        /// Frozen for a time.
        Suspended = "suspended",
        /// Closed by the platform's administrators.
        Banned = "banned",
    }
}

impl UserStatus {
    /// Whether the account may sign in and act.
    #[must_use]
    pub const fn may_act(self) -> bool {
        matches!(self, Self::Active)
    }
}
