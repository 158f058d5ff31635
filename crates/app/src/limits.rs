//! Limits of tiers: counting a use in the unit of work that makes it.
//!
//! A use that is one too many breaks a constraint, which ends the unit of work; nothing is read beforehand, so eight
//! callers at once cannot get past the limit together. Tiers without the limit write nothing.

use db::DbError;
use domain::{
    ids::{Timestamp, WorkspaceId},
    problem::{ErrorCode, Extension},
    tier::{Limit, LimitCheck, Tier},
};
use store::{Step, usage};

use crate::{App, AppError, Ctx, Result};

/// The use cases of limits.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    app: &'a App,
}

impl App {
    /// Limits of tiers.
    #[must_use]
    pub const fn limits(&self) -> Limits<'_> {
        Limits { app: self }
    }
}

impl Limits<'_> {
    /// The step that counts `uses` of a limit for the caller's workspace; none if its tier has no such limit.
    ///
    /// Put it into the unit of work that makes the thing, and give that unit's error to [`Self::explain`].
    #[must_use]
    pub fn count(&self, ctx: &Ctx, limit: Limit, uses: u64) -> Option<Step> {
        count_in(ctx.workspace(), ctx.caller.tier, limit, uses, self.app.now())
    }

    /// The step that gives uses back, when the thing is gone.
    #[must_use]
    pub fn release(&self, ctx: &Ctx, limit: Limit, uses: u64) -> Option<Step> {
        ctx.caller.tier.allowed(limit)?;
        Some(usage::release(
            ctx.workspace(),
            limit,
            &period(limit, self.app.now()),
            uses,
        ))
    }

    /// Turns the error of a unit of work that counted `limit` into an answer: the limit's name, used, allowed.
    /// Another error stays what it is.
    pub async fn explain(&self, ctx: &Ctx, limit: Limit, error: DbError) -> AppError {
        if !broke_limit(&error) {
            return error.into();
        }
        let used = match self.used(ctx, limit).await {
            Ok(used) => used,
            Err(error) => return error,
        };
        exceeded(ctx.caller.tier.check(limit, used))
    }

    /// What the caller's workspace has used of each limit that is counted.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn usage(&self, ctx: &Ctx) -> Result<Vec<LimitCheck>> {
        let mut checks = Vec::new();
        for limit in COUNTED {
            checks.push(ctx.caller.tier.check(limit, self.used(ctx, limit).await?));
        }
        Ok(checks)
    }

    async fn used(&self, ctx: &Ctx, limit: Limit) -> Result<u64> {
        let (scope, period) = (ctx.scope(), period(limit, self.app.now()));
        Ok(usage::used(&self.app.db().scoped(&scope), ctx.workspace(), limit, &period).await?)
    }
}

/// The limits that are counted here. API calls are the edge's, audit days a span of reading.
const COUNTED: [Limit; 4] = [
    Limit::ItemsPerMonth,
    Limit::Circuits,
    Limit::Members,
    Limit::StorageLocations,
];

/// The step that counts uses for a workspace that is just being made, or whose tier is known.
pub(crate) fn count_in(
    workspace: WorkspaceId,
    tier: Tier,
    limit: Limit,
    uses: u64,
    now: Timestamp,
) -> Option<Step> {
    let allowed = tier.allowed(limit)?;
    Some(usage::count(workspace, limit, &period(limit, now), uses, allowed))
}

/// Whether the error is a use over a limit.
#[must_use]
pub fn broke_limit(error: &DbError) -> bool {
    matches!(error, DbError::Check { constraint, .. } if constraint == usage::WITHIN_LIMIT)
}

/// The calendar month of a moment (UTC), `2026-03`, and its first moment.
pub(crate) fn month(now: Timestamp) -> (String, Timestamp) {
    let day = now.day().to_string();
    let month = day[..7].to_owned();
    let start = format!("{month}-01T00:00:00Z").parse().unwrap_or(now);
    (month, start)
}

fn period(limit: Limit, now: Timestamp) -> String {
    match limit {
        Limit::ItemsPerMonth => month(now).0,
        _ => String::new(),
    }
}

fn exceeded(check: LimitCheck) -> AppError {
    let allowed = check.allowed.unwrap_or(u64::MAX);
    let message = format!(
        "the tier allows {allowed} of `{}` and {} are used",
        check.limit, check.used
    );
    AppError::new(ErrorCode::LimitExceeded, message)
        .with(Extension::Limit, check.limit.as_str())
        .with(Extension::Used, check.used)
        .with(Extension::Allowed, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_by_calendar_month_and_the_rest_without_end() {
        let now: Timestamp = "2026-03-31T23:59:59Z".parse().unwrap();
        assert_eq!(period(Limit::ItemsPerMonth, now), "2026-03");
        assert_eq!(period(Limit::Circuits, now), "");
        assert_eq!(month(now).1.to_string(), "2026-03-01T00:00:00Z");
    }
}
