//! The audit trail: lists and counts. Entries are added by [`crate::records`], never changed,
//! and removed by age alone.

use db::{Read, Row, statements};
use domain::{
    ids::{AuditId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Step, StoreError, bind::Columns};

/// What a list and its count are narrowed to: `$1` to `$7`.
macro_rules! filtered {
    () => {
        " from audit_records
         where workspace_id = $1
           and (cast($2 as {uuid}) is null or actor_id = $2)
           and (cast($3 as {text}) is null or action = $3)
           and (cast($4 as {text}) is null or target = $4)
           and (cast($5 as {text}) is null or outcome = $5)
           and (cast($6 as {timestamp}) is null or created_at >= $6)
           and (cast($7 as {timestamp}) is null or created_at < $7)"
    };
}

statements! {
    LIST = "audit_records.list", concat!("
        select id, actor_id, action, target, outcome, address, details, leaf_id, created_at", filtered!(), "
           and (cast($8 as {uuid}) is null or id < $8)
         order by id desc
         limit $9 offset $10");
    COUNT = "audit_records.count", concat!("select count(*) as n", filtered!());
    SUMMARY = "audit_records.summary", "
        select action, outcome, count(*) as n
          from audit_records
         where workspace_id = $1 and created_at >= $2 and created_at < $3
         group by action, outcome
         order by action, outcome
         limit 1000";
    // One entry may stand for several equal attempts.
    DENIED = "audit_records.denied", "
        select workspace_id, actor_id, address, target,
               cast(sum(coalesce(cast(details->>'attempts' as {bigint}), 1)) as {bigint}) as n, max(created_at) as last_at
          from audit_records
         where outcome = 'denied' and action = $1 and created_at > $2
         group by workspace_id, actor_id, address, target
         order by n desc, workspace_id
         limit $3";
    PURGE = "audit_records.purge", "
        delete from audit_records
         where workspace_id = $1 and created_at < $2
           and id <= (select x.id
                        from (select r.id from audit_records r where r.workspace_id = $1 and r.created_at < $2 order by r.id limit $3) x
                       order by x.id desc
                       limit 1)";
}

/// An entry of the audit trail.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Its id.
    pub id: AuditId,
    /// Who acted; nobody for an anonymous attempt.
    pub actor_id: Option<UserId>,
    /// What was done or tried.
    pub action: String,
    /// To what.
    pub target: String,
    /// `done` or `denied`.
    pub outcome: String,
    /// From where.
    pub address: String,
    /// More about it.
    pub details: Value,
    /// Its leaf in the log.
    pub leaf_id: Uuid,
    /// When.
    pub created_at: Timestamp,
}

/// What a list of audit entries is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Who acted.
    pub actor: Option<UserId>,
    /// What was done.
    pub action: Option<String>,
    /// To what.
    pub target: Option<String>,
    /// `done` or `denied`.
    pub outcome: Option<String>,
    /// From when.
    pub from: Option<Timestamp>,
    /// Before when.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    fn arguments(&self, workspace: WorkspaceId) -> Vec<db::Value> {
        bind![
            workspace,
            self.actor,
            self.action.as_ref(),
            self.target.as_ref(),
            self.outcome.as_ref(),
            self.from,
            self.to
        ]
    }
}

/// How often something was done or denied.
#[derive(Clone, Debug)]
pub struct OutcomeCount {
    /// What was done or tried.
    pub action: String,
    /// `done` or `denied`.
    pub outcome: String,
    /// How often.
    pub count: u64,
}

/// Denied attempts of one kind by one actor from one address.
#[derive(Clone, Debug)]
pub struct Denied {
    /// The workspace they concern.
    pub workspace: WorkspaceId,
    /// By whom, if known.
    pub actor: Option<UserId>,
    /// From where.
    pub address: String,
    /// On what.
    pub target: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

fn read(row: &Row) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        id: row.id("id")?,
        actor_id: row.maybe_id("actor_id")?,
        action: row.text("action")?,
        target: row.text("target")?,
        outcome: row.text("outcome")?,
        address: row.text("address")?,
        details: row.document("details")?,
        leaf_id: row.get("leaf_id")?,
        created_at: row.time("created_at")?,
    })
}

/// Lists entries, newest first, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    filter: &AuditFilter,
    after: Option<AuditId>,
    page: &PageRequest,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut args = filter.arguments(workspace);
    args.extend(bind![after, page.rows(), page.offset]);
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// Counts the entries of a list.
pub async fn count(db: &impl Read, workspace: WorkspaceId, filter: &AuditFilter) -> Result<u64, StoreError> {
    db.one(COUNT, filter.arguments(workspace)).await?.version("n")
}

/// Counts entries by action and outcome.
pub async fn summary(
    db: &impl Read,
    workspace: WorkspaceId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<OutcomeCount>, StoreError> {
    let rows = db.all(SUMMARY, bind![workspace, from, to]).await?;
    rows.iter()
        .map(|row| {
            Ok(OutcomeCount {
                action: row.text("action")?,
                outcome: row.text("outcome")?,
                count: row.version("n")?,
            })
        })
        .collect()
}

/// Denied attempts on an action in all workspaces since a moment, the largest groups first, at most `limit`: what the
/// rules of incidents read.
pub async fn denied(
    db: &impl Read,
    action: &str,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Denied>, StoreError> {
    let rows = db.all(DENIED, bind![action, since, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(Denied {
                workspace: row.id("workspace_id")?,
                actor: row.maybe_id("actor_id")?,
                address: row.text("address")?,
                target: row.text("target")?,
                count: row.version("n")?,
                last_at: row.time("last_at")?,
            })
        })
        .collect()
}

/// The step that removes entries older than a moment, at most `limit`, the oldest first.
#[must_use]
pub fn purge(workspace: WorkspaceId, before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![workspace, before, limit])
}
