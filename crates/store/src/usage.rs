//! Counters of what a tenant has used of a limit. Tenants without a limit never write here.

use db::{DbError, Read, Step};
use domain::{ids::WorkspaceId, tier::Limit};

/// The constraint that a use over the limit breaks.
pub const WITHIN_LIMIT: &str = "usage_within_limit";

db::statements! {
    /// Counts a use; breaks `usage_within_limit`, and so ends the unit of work, if it is one too many.
    COUNT = "usage.count",
        "insert into usage_counters (workspace_id, limit_name, period, used, allowed) values ($1, $2, $3, $4, $5)
         on conflict (workspace_id, limit_name, period)
         do update set used = usage_counters.used + excluded.used, allowed = excluded.allowed";
    /// Gives uses back.
    RELEASE = "usage.release",
        "update usage_counters set used = used - $4 where workspace_id = $1 and limit_name = $2 and period = $3 and used >= $4";
    /// What is used so far.
    USED = "usage.used", "select used from usage_counters where workspace_id = $1 and limit_name = $2 and period = $3";
    /// Sets the counter of members to what is there, when a tier changes.
    RECOUNT_MEMBERS = "usage.recount_members",
        "insert into usage_counters (workspace_id, limit_name, period, used, allowed)
         select $1, 'members', '', count(*), count(*) from members where workspace_id = $1
         on conflict (workspace_id, limit_name, period) do update set used = excluded.used, allowed = excluded.allowed";
    /// The same for circuits that are in use.
    RECOUNT_CIRCUITS = "usage.recount_circuits",
        "insert into usage_counters (workspace_id, limit_name, period, used, allowed)
         select $1, 'circuits', '', count(*), count(*) from circuits where workspace_id = $1 and status <> 'archived'
         on conflict (workspace_id, limit_name, period) do update set used = excluded.used, allowed = excluded.allowed";
    /// The same for the items made since a moment.
    RECOUNT_ITEMS = "usage.recount_items",
        "insert into usage_counters (workspace_id, limit_name, period, used, allowed)
         select $1, 'items_per_month', $2, count(*), count(*) from local_items where workspace_id = $1 and created_at >= $3
         on conflict (workspace_id, limit_name, period) do update set used = excluded.used, allowed = excluded.allowed";
}

/// Counts `uses` of a limit within a unit of work.
///
/// If that is more than `allowed`, the statement breaks the constraint [`WITHIN_LIMIT`] and the unit ends.
#[must_use]
pub fn count(workspace: WorkspaceId, limit: Limit, period: &str, uses: u64, allowed: u64) -> Step {
    (
        COUNT,
        bind![
            workspace,
            limit.as_str(),
            period,
            uses.cast_signed(),
            allowed.cast_signed()
        ],
    )
}

/// Gives uses back.
#[must_use]
pub fn release(workspace: WorkspaceId, limit: Limit, period: &str, uses: u64) -> Step {
    (
        RELEASE,
        bind![workspace, limit.as_str(), period, uses.cast_signed()],
    )
}

/// What is used so far.
pub async fn used(
    read: &impl Read,
    workspace: WorkspaceId,
    limit: Limit,
    period: &str,
) -> Result<u64, DbError> {
    let row = read
        .optional(USED, bind![workspace, limit.as_str(), period])
        .await?;
    Ok(row
        .map(|row| row.get::<i64>("used"))
        .transpose()?
        .unwrap_or(0)
        .max(0)
        .cast_unsigned())
}

/// Sets the counters to what is there, for a tenant whose tier changes.
#[must_use]
pub fn recount(workspace: WorkspaceId, month: &str, month_start: domain::ids::Timestamp) -> [Step; 3] {
    [
        (RECOUNT_MEMBERS, bind![workspace]),
        (RECOUNT_CIRCUITS, bind![workspace]),
        (RECOUNT_ITEMS, bind![workspace, month, month_start]),
    ]
}
