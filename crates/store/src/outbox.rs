//! The outbox: what must happen after commit. Leasing, finishing and retrying; rows are added by [`crate::records`].

use db::{Db, Read, Scope, statements};
use domain::ids::{OutboxId, Timestamp, WorkspaceId};
use serde_json::value::RawValue;

use crate::{Step, StoreError, bind::Columns};

statements! {
    LEASE = "outbox.lease", "
        update outbox
           set lease_owner = $1, leased_until = $2, attempts = attempts + 1
         where (workspace_id, id) in (
                select workspace_id, id
                  from outbox
                 where state = 'waiting' and available_at <= $3 and (leased_until is null or leased_until <= $3)
                   and (topic = 'mail') = $5
                 order by available_at, id
                 limit $4
                {for_update_skip_locked})
        returning workspace_id, id, topic, payload, attempts, created_at";
    DONE = "outbox.done", "
        delete from outbox where workspace_id {any:$1} and id {any:$2} and lease_owner = $3";
    RETRY = "outbox.retry", "
        update outbox
           set leased_until = null, lease_owner = null, available_at = $4, last_error = $5
         where workspace_id = $1 and id = $2 and lease_owner = $3";
    FAIL = "outbox.fail", "
        update outbox
           set state = 'failed', leased_until = null, lease_owner = null, finished_at = $4, last_error = $5
         where workspace_id = $1 and id = $2 and lease_owner = $3";
    WAITING = "outbox.waiting", "
        select state, count(*) as n, min(created_at) as oldest
          from outbox
         group by state";
    PURGE = "outbox.purge", "
        delete from outbox
         where (workspace_id, id) in (select workspace_id, id from outbox where state = 'failed' and finished_at < $1 limit $2)";
}

/// A piece of work that this worker holds until its lease ends.
#[derive(Clone, Debug)]
pub struct Work {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its id, the same at every attempt.
    pub id: OutboxId,
    /// What kind of work.
    pub topic: String,
    /// What it needs to know.
    pub payload: Box<RawValue>,
    /// How often it was tried, this time included.
    pub attempts: u64,
    /// When its cause was committed.
    pub created_at: Timestamp,
}

/// Topic of the rows that ask for a mail.
pub const MAIL: &str = "mail";

/// Which work a worker takes: what waits for another server must not hold up what needs the database alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Everything but mail.
    Own,
    /// Mail.
    Mail,
}

/// Leases at most `limit` pieces of a lane's due work, oldest first. Nobody else gets them before `until`.
pub async fn lease(
    db: &Db,
    lane: Lane,
    owner: &str,
    until: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Work>, StoreError> {
    let mail = lane == Lane::Mail;
    // Work of every tenant: this is the workers' own business.
    let rows = db
        .returning(&Scope::system(), LEASE, bind![owner, until, now, limit, mail])
        .await?;
    let mut work = rows
        .iter()
        .map(|row| {
            Ok(Work {
                workspace: row.id("workspace_id")?,
                id: row.id("id")?,
                topic: row.text("topic")?,
                payload: row.document("payload")?,
                attempts: row.version("attempts")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    work.sort_by_key(|work| work.id);
    Ok(work)
}

/// The step that removes finished work, where the lease still is this worker's.
#[must_use]
pub fn done(work: &[&Work], owner: &str) -> Step {
    let mut workspaces: Vec<_> = work.iter().map(|one| one.workspace.uuid()).collect();
    workspaces.sort_unstable();
    workspaces.dedup();
    let ids: Vec<_> = work.iter().map(|one| one.id.uuid()).collect();
    (DONE, bind![workspaces, ids, owner])
}

/// The step that puts work back until `at`.
#[must_use]
pub fn retry(work: &Work, owner: &str, at: Timestamp, error: &str) -> Step {
    (RETRY, bind![work.workspace, work.id, owner, at, error])
}

/// The step that gives work up; it stays to be looked at.
#[must_use]
pub fn fail(work: &Work, owner: &str, now: Timestamp, error: &str) -> Step {
    (FAIL, bind![work.workspace, work.id, owner, now, error])
}

/// How much work there is in a state.
#[derive(Clone, Debug)]
pub struct Backlog {
    /// `waiting` or `failed`.
    pub state: String,
    /// How many.
    pub count: u64,
    /// When the oldest was committed.
    pub oldest: Option<Timestamp>,
}

/// Counts work by state, for gauges.
pub async fn backlog(db: &impl Read) -> Result<Vec<Backlog>, StoreError> {
    let rows = db.all(WAITING, bind![]).await?;
    rows.iter()
        .map(|row| {
            Ok(Backlog {
                state: row.text("state")?,
                count: row.version("n")?,
                oldest: row.maybe_time("oldest")?,
            })
        })
        .collect()
}

/// The step that removes work given up before a moment, at most `limit` rows.
#[must_use]
pub fn purge(before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![before, limit])
}
