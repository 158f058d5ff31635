//! Identity: accounts, sessions, tokens, API keys, workspaces and their members.
//!
//! Every request's session or key is checked against the database, so that logout, suspension, a new role and a revoked
//! key take effect on the next request, on every replica.

mod accounts;
mod api_keys;
mod authenticate;
mod config;
mod data_key;
mod guard;
mod hs256;
mod login;
mod members;
mod passwords;
mod refresh;
mod resets;
mod secrets;
mod services;
mod sessions;
mod setup;
mod tokens;
mod touches;
mod workspaces;

pub use accounts::{Register, Registered};
pub use api_keys::{CreateApiKey, RevealedKey};
pub use authenticate::{Authentication, AuthenticationError, Place, Presented};
pub use config::{IdentityConfig, PasswordConfig};
pub use guard::SignInLimits;
pub use login::{Client, SignedIn};
pub use secrets::Secret;
pub use services::Services;
pub use setup::{ADMIN, DemoAccount};
pub use workspaces::UpdateWorkspace;

use serde::Serialize;
use store::Step;

use crate::{App, Ctx, Record};

/// The use cases of identity.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    app: &'a App,
}

impl App {
    /// Accounts, sessions, tokens, API keys, workspaces and members.
    #[must_use]
    pub const fn identity(&self) -> Identity<'_> {
        Identity { app: self }
    }
}

impl Identity<'_> {
    /// Passwords that wait for a thread to hash or check them.
    #[must_use]
    pub fn passwords_waiting(&self) -> usize {
        self.services().passwords.waiting()
    }

    /// The steps that enter a change into the audit trail of the caller's workspace.
    fn trail(
        &self,
        ctx: &Ctx,
        action: &str,
        target: &str,
        details: &impl Serialize,
    ) -> crate::Result<Vec<Step>> {
        let mut record = Record::new(self.app, ctx);
        record.audit(action, target, details)?;
        Ok(record.steps)
    }

    fn services(&self) -> &Services {
        &self.app.parts.identity
    }
}
