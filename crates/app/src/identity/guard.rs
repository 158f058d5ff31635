//! Throttling of failed sign-ins, per account and per address, the same on every replica.
//!
//! The counts stand in the database, under hashes; whether a name exists makes no difference to them.

use std::time::Duration;

use db::Scope;
use domain::{
    ids::Timestamp,
    problem::{ErrorCode, Extension},
};
use store::sign_in_failures as failures;

use super::{Identity, secrets};
use crate::{AppError, Result};

/// How many failed sign-ins are borne within a window.
#[derive(Clone, Debug)]
pub struct SignInLimits {
    /// Failures for one name. Default: 10.
    pub per_account: u32,
    /// Failures from one address. Default: 100.
    pub per_address: u32,
    /// The window, which begins with the first failure. Default: 15 min.
    pub window: Duration,
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self {
            per_account: 10,
            per_address: 100,
            window: Duration::from_secs(15 * 60),
        }
    }
}

/// The counters that a sign-in falls under.
pub(super) struct Counters {
    account: [u8; 32],
    address: [u8; 32],
}

impl Counters {
    pub(super) fn new(folded_name: &str, address: &str) -> Self {
        Self {
            account: secrets::hash(format!("account:{folded_name}").as_bytes()),
            address: secrets::hash(format!("address:{address}").as_bytes()),
        }
    }

    /// The counter of the name, which a success clears.
    pub(super) const fn of_account(&self) -> [u8; 32] {
        self.account
    }
}

impl Identity<'_> {
    /// Refuses the sign-in if too many have failed for this name or from this address.
    pub(super) async fn check_failures(&self, scope: &Scope, counters: &Counters) -> Result<()> {
        let limits = &self.services().config.sign_in;
        let (now, db) = (self.app.now(), self.app.db());
        let since = now.minus(limits.window);
        let found = failures::find(&db.scoped(scope), [counters.account, counters.address], since).await?;
        for failure in found {
            let most = if failure.counter == counters.account {
                limits.per_account
            } else {
                limits.per_address
            };
            if failure.count >= i64::from(most) {
                return Err(too_many(failure.since.plus(limits.window), now));
            }
        }
        Ok(())
    }

    /// Counts a failure.
    pub(super) async fn count_failure(&self, scope: &Scope, counters: &Counters) -> Result<()> {
        let now = self.app.now();
        let since = now.minus(self.services().config.sign_in.window);
        let steps = [counters.account, counters.address].map(|counter| failures::count(counter, now, since));
        self.app.db().run(scope, steps.to_vec()).await?;
        Ok(())
    }
}

fn too_many(until: Timestamp, now: Timestamp) -> AppError {
    AppError::new(
        ErrorCode::RateLimited,
        "too many failed sign-ins; wait, or reset the password",
    )
    .with(Extension::RetryAfterSeconds, until.since(now).as_secs().max(1))
}
