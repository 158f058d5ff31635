//! Jobs: longer work on a user's behalf, with progress, a lease, and what it produced.

use db::{Db, JsonText, Read, Row, Scope, statements};
use domain::{
    ids::{JobId, OutboxId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};
use serde_json::Value;

use crate::{Step, StoreError, bind::Columns};

/// What a list and its count are narrowed to: `$1` to `$4`.
macro_rules! filtered {
    () => {
        " from jobs
         where workspace_id = $1
           and (cast($2 as {uuid}) is null or created_by = $2)
           and (cast($3 as {text}) is null or state = $3)
           and (cast($4 as {text}) is null or kind = $4)"
    };
}

statements! {
    INSERT = "jobs.insert", "
        insert into jobs (workspace_id, id, kind, state, payload, progress, attempts, cancel_requested, created_by, created_at, updated_at)
        values ($1, $2, $3, 'waiting', $4, $5, 0, $6, $7, $8, $8)";
    FIND = "jobs.find", "
        select workspace_id, id, kind, state, progress, result, error, attempts, cancel_requested, created_by, created_at, updated_at
          from jobs
         where workspace_id = $1 and id = $2";
    PAYLOAD = "jobs.payload", "
        select payload from jobs where workspace_id = $1 and id = $2";
    LIST = "jobs.list", concat!("
        select workspace_id, id, kind, state, progress, result, error, attempts, cancel_requested, created_by, created_at, updated_at", filtered!(), "
           and (cast($5 as {uuid}) is null or id < $5)
         order by id desc
         limit $6 offset $7");
    COUNT = "jobs.count", concat!("select count(*) as n", filtered!());
    WAITING_OF = "jobs.waiting_of", "
        select count(*) as n from jobs where workspace_id = $1 and created_by = $2 and state in ('waiting', 'running')";
    BY_STATE = "jobs.by_state", "
        select state, count(*) as n from jobs group by state";
    // One at a time looks for work, or two could both see the last free place of a user.
    LOCK = "jobs.lock",
        sqlite: "delete from jobs where false",
        postgres: "do $$ begin perform pg_advisory_xact_lock(7220202); end $$";
    // Whoever runs the fewest comes first, then the oldest job.
    LEASE = "jobs.lease", "
        update jobs
           set state = 'running', lease_owner = $1, leased_until = $2, attempts = attempts + 1, updated_at = $3
         where (workspace_id, id) in (
                with busy as (
                     select workspace_id, created_by, count(*) as n
                       from jobs
                      where state = 'running' and leased_until > $3
                      group by workspace_id, created_by)
                select j.workspace_id, j.id
                  from jobs j left join busy b on b.workspace_id = j.workspace_id and b.created_by = j.created_by
                 where (j.state = 'waiting' or (j.state = 'running' and j.leased_until <= $3))
                   and j.kind {any:$4}
                   and coalesce(b.n, 0) < $5
                 order by coalesce(b.n, 0), j.id
                 limit 1)
        returning workspace_id, id, kind, state, progress, result, error, attempts, cancel_requested, created_by, created_at, updated_at";
    RENEW = "jobs.renew", "
        update jobs
           set leased_until = $4, progress = coalesce($5, progress), updated_at = $6
         where workspace_id = $1 and id = $2 and lease_owner = $3 and state = 'running'
        returning cancel_requested";
    FINISH = "jobs.finish", "
        update jobs
           set state = $4, result = $5, error = $6, leased_until = null, lease_owner = null, updated_at = $7,
               progress = $8
         where workspace_id = $1 and id = $2 and lease_owner = $3 and state = 'running'";
    // An orderly stop is no failed attempt.
    RELEASE = "jobs.release", "
        update jobs
           set state = 'waiting', attempts = attempts - 1, leased_until = null, lease_owner = null, updated_at = $4
         where workspace_id = $1 and id = $2 and lease_owner = $3 and state = 'running'";
    CANCEL = "jobs.cancel", "
        update jobs
           set cancel_requested = $3, state = case when state = 'waiting' then 'cancelled' else state end, updated_at = $4
         where workspace_id = $1 and id = $2 and state in ('waiting', 'running')";
    // Of a job that was cancelled before it ran: one that runs is told of when it has ended.
    TELL_CANCELLED = "jobs.tell_cancelled", "
        insert into outbox (workspace_id, id, topic, payload, state, attempts, available_at, created_at)
        select $1, $3, $4, $5, 'waiting', 0, $6, $6
          from jobs
         where workspace_id = $1 and id = $2 and state = 'cancelled'";
    RETRY = "jobs.retry", "
        update jobs
           set state = 'waiting', attempts = 0, cancel_requested = $3, error = null, result = null, progress = $4, updated_at = $5
         where workspace_id = $1 and id = $2 and state in ('failed', 'cancelled')";
    DELETE_OUTPUT = "job_outputs.delete", "
        delete from job_outputs where workspace_id = $1 and job_id = $2";
    INSERT_OUTPUT = "job_outputs.insert", "
        insert into job_outputs (workspace_id, job_id, piece, content) values ($1, $2, $3, $4)";
    OUTPUT = "job_outputs.find", "
        select content from job_outputs where workspace_id = $1 and job_id = $2 and piece = $3";
    PURGE_OUTPUT = "job_outputs.purge", "
        delete from job_outputs
         where (workspace_id, job_id, piece) in (
                select o.workspace_id, o.job_id, o.piece
                  from job_outputs o join jobs j on j.workspace_id = o.workspace_id and j.id = o.job_id
                 where j.state in ('completed', 'failed', 'cancelled') and j.updated_at < $1
                 limit $2)";
    PURGE = "jobs.purge", "
        delete from jobs
         where (workspace_id, id) in (
                select j.workspace_id, j.id
                  from jobs j
                 where j.state in ('completed', 'failed', 'cancelled') and j.updated_at < $1
                   and not exists (select 1 from job_outputs o where o.workspace_id = j.workspace_id and o.job_id = j.id)
                 limit $2)";
}

/// A job as stored.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: JobId,
    /// What kind of work.
    pub kind: String,
    /// `waiting`, `running`, `completed`, `failed` or `cancelled`.
    pub state: String,
    /// How far it is.
    pub progress: Value,
    /// What came of it.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// How often it was begun.
    pub attempts: u64,
    /// Whether somebody asked to end it.
    pub cancel_requested: bool,
    /// On whose behalf it runs.
    pub created_by: UserId,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
}

fn read(row: &Row) -> Result<Job, StoreError> {
    Ok(Job {
        workspace: row.id("workspace_id")?,
        id: row.id("id")?,
        kind: row.text("kind")?,
        state: row.text("state")?,
        progress: row.document("progress")?,
        result: row.maybe_document("result")?,
        error: row.get("error")?,
        attempts: row.version("attempts")?,
        cancel_requested: row.get("cancel_requested")?,
        created_by: row.id("created_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// The step that adds a job.
#[must_use]
pub fn insert(
    workspace: WorkspaceId,
    id: JobId,
    kind: &str,
    payload: JsonText,
    progress: JsonText,
    by: UserId,
    now: Timestamp,
) -> Step {
    (
        INSERT,
        bind![workspace, id, kind, payload, progress, false, by, now],
    )
}

/// Finds a job of the workspace.
pub async fn find(db: &impl Read, workspace: WorkspaceId, id: JobId) -> Result<Option<Job>, StoreError> {
    db.optional(FIND, bind![workspace, id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// What a job was asked to do. Apart from the job itself: it may be a whole file.
pub async fn payload(db: &impl Read, workspace: WorkspaceId, id: JobId) -> Result<Value, StoreError> {
    db.one(PAYLOAD, bind![workspace, id]).await?.document("payload")
}

/// What a list of jobs is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// On whose behalf.
    pub created_by: Option<UserId>,
    /// The state.
    pub state: Option<String>,
    /// The kind.
    pub kind: Option<String>,
}

impl JobFilter {
    fn arguments(&self, workspace: WorkspaceId) -> Vec<db::Value> {
        bind![
            workspace,
            self.created_by,
            self.state.as_ref(),
            self.kind.as_ref()
        ]
    }
}

/// Lists jobs, newest first, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    filter: &JobFilter,
    after: Option<JobId>,
    page: &PageRequest,
) -> Result<Vec<Job>, StoreError> {
    let mut args = filter.arguments(workspace);
    args.extend(bind![after, page.rows(), page.offset]);
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// Counts the jobs of a list.
pub async fn count(db: &impl Read, workspace: WorkspaceId, filter: &JobFilter) -> Result<u64, StoreError> {
    db.one(COUNT, filter.arguments(workspace)).await?.version("n")
}

/// How many jobs of the user have not ended.
pub async fn open_of(db: &impl Read, workspace: WorkspaceId, user: UserId) -> Result<u64, StoreError> {
    db.one(WAITING_OF, bind![workspace, user]).await?.version("n")
}

/// How many jobs of all workspaces are in each state, for gauges; states without any are left out.
pub async fn by_state(db: &impl Read) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = db.all(BY_STATE, bind![]).await?;
    rows.iter()
        .map(|row| Ok((row.text("state")?, row.version("n")?)))
        .collect()
}

/// Leases the oldest job of these kinds whose user runs fewer than `per_user`, or one whose lease has ended.
pub async fn lease(
    db: &Db,
    owner: &str,
    until: Timestamp,
    now: Timestamp,
    kinds: Vec<String>,
    per_user: u32,
) -> Result<Option<Job>, StoreError> {
    // Jobs of every tenant: this is the runner's own business; the job then runs in its workspace's scope.
    let steps = vec![
        (LOCK, bind![]),
        (LEASE, bind![owner, until, now, kinds, per_user]),
    ];
    let results = db.run_returning(&Scope::system(), steps).await?;
    results.last().and_then(|rows| rows.first()).map(read).transpose()
}

/// Prolongs the lease and notes progress. Tells whether the job should end; nothing if the lease was lost.
pub async fn renew(
    db: &Db,
    job: &Job,
    owner: &str,
    until: Timestamp,
    progress: Option<JsonText>,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    let args = bind![job.workspace, job.id, owner, until, progress, now];
    let rows = db
        .returning(&Scope::workspace(job.workspace.uuid()), RENEW, args)
        .await?;
    rows.first().map(|row| row.get("cancel_requested")).transpose()
}

/// How a job ended.
#[derive(Debug)]
pub struct Ending<'a> {
    /// `completed`, `failed` or `cancelled`.
    pub state: &'a str,
    /// What came of it.
    pub result: Option<JsonText>,
    /// Why it failed.
    pub error: Option<&'a str>,
    /// How far it got.
    pub progress: JsonText,
}

/// The step that ends a job that this runner holds.
#[must_use]
pub fn finish(job: &Job, owner: &str, ending: Ending<'_>, now: Timestamp) -> Step {
    let Ending {
        state,
        result,
        error,
        progress,
    } = ending;
    (
        FINISH,
        bind![job.workspace, job.id, owner, state, result, error, now, progress],
    )
}

/// The step that gives a job back so that another runner begins it again.
#[must_use]
pub fn release(job: &Job, owner: &str, now: Timestamp) -> Step {
    (RELEASE, bind![job.workspace, job.id, owner, now])
}

/// The step that asks a job to end. It affects no row if the job has ended.
#[must_use]
pub fn cancel(workspace: WorkspaceId, id: JobId, now: Timestamp) -> Step {
    (CANCEL, bind![workspace, id, true, now])
}

/// The step that asks the workers to tell of a job's end; in one unit of work with [`cancel`] it affects no row unless
/// the job waited and so has ended.
#[must_use]
pub fn tell_cancelled(job: &Job, id: OutboxId, topic: &str, payload: JsonText, now: Timestamp) -> Step {
    (
        TELL_CANCELLED,
        bind![job.workspace, job.id, id, topic, payload, now],
    )
}

/// The step that begins a failed or cancelled job again. It affects no row in another state.
#[must_use]
pub fn retry(workspace: WorkspaceId, id: JobId, progress: JsonText, now: Timestamp) -> Step {
    (RETRY, bind![workspace, id, false, progress, now])
}

/// The step that removes what an earlier attempt produced.
#[must_use]
pub fn delete_output(workspace: WorkspaceId, id: JobId) -> Step {
    (DELETE_OUTPUT, bind![workspace, id])
}

/// The step that adds a piece of what the job produces.
#[must_use]
pub fn insert_output(workspace: WorkspaceId, id: JobId, piece: u32, content: Vec<u8>) -> Step {
    (INSERT_OUTPUT, bind![workspace, id, piece, content])
}

/// Reads a piece of what a job produced.
pub async fn output(
    db: &impl Read,
    workspace: WorkspaceId,
    id: JobId,
    piece: u32,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = db.optional(OUTPUT, bind![workspace, id, piece]).await?;
    row.map(|row| row.get("content")).transpose()
}

/// The step that removes output of jobs that ended before a moment, at most `limit` pieces.
#[must_use]
pub fn purge_output(before: Timestamp, limit: u32) -> Step {
    (PURGE_OUTPUT, bind![before, limit])
}

/// The step that forgets jobs that ended before a moment and whose output is gone, at most `limit`.
#[must_use]
pub fn purge(before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![before, limit])
}
