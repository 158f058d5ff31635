//! The ledger of credits: two entries per movement, which sum to zero. A balance is a sum, nothing else.

use db::{DbError, Read, Row, Step};
use domain::{
    credits::{Account, Entry, Movement, MovementKind},
    ids::{JobId, MovementId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};
use uuid::Uuid;

use crate::bind::{Bind as _, Columns};

/// The constraint that a debit without cover breaks.
pub const COVERED: &str = "credit_covered";

db::statements! {
    /// Makes movements of one workspace wait for each other: the row stays locked until the unit of work ends.
    LOCK = "credits.lock",
        "insert into usage_counters (workspace_id, limit_name, period, used, allowed) values ($1, 'credit_movements', '', 1, 9223372036854775807)
         on conflict (workspace_id, limit_name, period) do update set used = usage_counters.used + 1";
    /// Adds both entries of a movement.
    INSERT = "credits.insert",
        "insert into credit_entries (workspace_id, movement_id, account, amount, kind, operation, reference, created_by, created_at)
         values ($1, $2, $3, $4, $7, $8, $9, $10, $11), ($1, $2, $5, $6, $7, $8, $9, $10, $11)";
    /// The same for a debit, whose amounts are zero, which the table refuses, unless the balance covers it.
    DEBIT = "credits.debit",
        "insert into credit_entries (workspace_id, movement_id, account, amount, kind, operation, reference, created_by, created_at)
         select $1, $2, side.account, case when cover.balance >= cast($3 as {bigint}) then side.sign * cast($3 as {bigint}) else 0 end, $4, $5, $6, $7, $8
         from (select 'workspace' as account, -1 as sign union all select 'spent', 1) side,
              (select coalesce(sum(amount), 0) as balance from credit_entries where workspace_id = $1 and account = 'workspace') cover";
    /// Gives a debit back, once.
    REFUND = "credits.refund",
        "insert into credit_entries (workspace_id, movement_id, account, amount, kind, operation, reference, created_by, created_at)
         select workspace_id, $3, account, -amount, 'refund', operation, $4, $5, $6
         from credit_entries where workspace_id = $1 and movement_id = $2 and kind = 'debit'
         on conflict do nothing";
    /// The last debit for a job, if nothing came of the job.
    DEBIT_OF_LOST_JOB = "credits.debit_of_lost_job",
        "select movement_id from credit_entries
         where workspace_id = $1 and account = 'workspace' and movement_id >= $2 and kind = 'debit' and reference = $3
           and exists (select 1 from jobs j where j.workspace_id = $1 and j.id = $4 and j.state in ('failed', 'cancelled'))
         order by movement_id desc limit 1";
    /// A workspace's balance.
    BALANCE = "credits.balance",
        "select cast(coalesce(sum(amount), 0) as {bigint}) as balance from credit_entries where workspace_id = $1 and account = 'workspace'";
    /// A workspace's movements, newest first.
    HISTORY = "credits.history",
        "select movement_id, amount, kind, operation, reference, created_by, created_at from credit_entries
         where workspace_id = $1 and account = 'workspace' and (cast($2 as {uuid}) is null or movement_id < $2)
         order by movement_id desc limit $3 offset $4";
    /// Counts them.
    COUNT = "credits.count",
        "select count(*) as n from credit_entries where workspace_id = $1 and account = 'workspace'";
    /// The sum over all entries of the deployment: always zero.
    TOTALS = "credits.totals",
        "select account, cast(coalesce(sum(amount), 0) as {bigint}) as amount from credit_entries group by account order by account";
}

/// A movement as its workspace sees it.
#[derive(Clone, Debug)]
pub struct HistoryEntry {
    /// Id.
    pub id: MovementId,
    /// Credits gained (positive) or lost (negative).
    pub amount: i64,
    /// Why.
    pub kind: MovementKind,
    /// The operation that cost them, or `grant`.
    pub operation: String,
    /// What they were moved for.
    pub reference: String,
    /// Who moved them.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: Timestamp,
}

/// What stands beside the amounts of a movement.
pub struct Note<'a> {
    /// Id of the movement.
    pub id: MovementId,
    /// The operation that costs, or the name of an administrator's action.
    pub operation: &'a str,
    /// What they are moved for.
    pub reference: &'a str,
    /// Who moves them.
    pub by: Option<UserId>,
    /// When.
    pub now: Timestamp,
}

/// The steps of a movement. A debit or revocation without cover breaks the constraint [`COVERED`] and ends the unit.
#[must_use]
pub fn movement(movement: &Movement, note: &Note<'_>) -> Vec<Step> {
    let lock = (LOCK, bind![movement.workspace]);
    if movement.kind == MovementKind::Debit {
        return vec![lock, debit(movement, note)];
    }
    let [ours, theirs] = movement.entries();
    let args = bind![
        movement.workspace,
        note.id,
        account(ours),
        ours.amount,
        account(theirs),
        theirs.amount,
        movement.kind.as_str(),
        note.operation,
        note.reference,
        note.by,
        note.now
    ];
    vec![lock, (INSERT, args)]
}

fn debit(movement: &Movement, note: &Note<'_>) -> Step {
    let args = bind![
        movement.workspace,
        note.id,
        movement.amount().cast_signed(),
        movement.kind.as_str(),
        note.operation,
        note.reference,
        note.by,
        note.now
    ];
    (DEBIT, args)
}

/// Gives a debit back; affects no row if that has happened before.
#[must_use]
pub fn refund(workspace: WorkspaceId, debit: MovementId, note: &Note<'_>) -> Step {
    (
        REFUND,
        vec![
            workspace.bind(),
            debit.bind(),
            note.id.bind(),
            debit.to_string().bind(),
            note.by.bind(),
            note.now.bind(),
        ],
    )
}

/// The debit that paid for a job the last time it was asked for, if nothing came of it; its reference is the job's id.
pub async fn debit_of_lost_job(
    read: &impl Read,
    workspace: WorkspaceId,
    job: JobId,
) -> Result<Option<MovementId>, DbError> {
    let args = bind![workspace, about_when(job), job.to_string(), job];
    read.optional(DEBIT_OF_LOST_JOB, args)
        .await?
        .map(|row| row.id("movement_id"))
        .transpose()
}

/// The least id of the hour before the job's own: no debit for it is older, even by a clock that is late.
fn about_when(job: JobId) -> MovementId {
    let (millis, hour) = (job.uuid().as_u128() >> 80, 3_600_000);
    Uuid::from_u128(millis.saturating_sub(hour) << 80).into()
}

/// A workspace's balance.
pub async fn balance(read: &impl Read, workspace: WorkspaceId) -> Result<i64, DbError> {
    read.one(BALANCE, bind![workspace]).await?.get("balance")
}

/// A page of a workspace's movements, newest first; one row more than the page.
pub async fn history(
    read: &impl Read,
    workspace: WorkspaceId,
    page: &PageRequest,
    after: Option<MovementId>,
) -> Result<Vec<HistoryEntry>, DbError> {
    let args = bind![workspace, after, page.rows(), i64::from(page.offset)];
    read.all(HISTORY, args).await?.iter().map(history_row).collect()
}

/// Number of a workspace's movements.
pub async fn count(read: &impl Read, workspace: WorkspaceId) -> Result<u64, DbError> {
    read.one(COUNT, bind![workspace]).await?.version("n")
}

/// The sum of each account over the whole deployment; together they are zero.
pub async fn totals(read: &impl Read) -> Result<Vec<(String, i64)>, DbError> {
    let rows = read.all(TOTALS, bind![]).await?;
    rows.iter()
        .map(|row| Ok((row.text("account")?, row.get("amount")?)))
        .collect()
}

const fn account(entry: Entry) -> &'static str {
    match entry.account {
        Account::Workspace(_) => "workspace",
        Account::Issued => "issued",
        Account::Spent => "spent",
    }
}

fn history_row(row: &Row) -> Result<HistoryEntry, DbError> {
    Ok(HistoryEntry {
        id: row.id("movement_id")?,
        amount: row.get("amount")?,
        kind: row.word("kind")?,
        operation: row.text("operation")?,
        reference: row.text("reference")?,
        created_by: row.maybe_id("created_by")?,
        created_at: row.time("created_at")?,
    })
}
