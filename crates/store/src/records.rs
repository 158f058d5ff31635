//! What is written beside every change, in the same unit of work: activity, audit record, log leaf, outbox row.

use db::{JsonText, Read, Row, statements};
use domain::{
    ids::{ActivityId, AuditId, CircuitId, OutboxId, Timestamp, UserId, WorkspaceId},
    leaf::{LeafKind, Salt},
};
use uuid::Uuid;

use crate::{Step, StoreError, bind::Columns};

statements! {
    INSERT_ACTIVITY = "activities.insert", "
        insert into activities (workspace_id, id, circuit_id, actor_id, action, target, details, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    INSERT_AUDIT = "audit_records.insert", "
        insert into audit_records (workspace_id, id, actor_id, action, target, outcome, address, details, leaf_id, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    INSERT_LEAF = "leaves.insert", "
        insert into leaves (workspace_id, id, kind, canonical, hash, salt, state, created_at)
        values ($1, $2, $3, $4, $5, $6, 'unsequenced', $7)";
    LEAF_SUMMARY = "leaves.summary", "
        select kind as what, state, count(*) as n
          from leaves
         where workspace_id = $1 and created_at >= $2 and created_at < $3
         group by kind, state
         order by kind, state
         limit 1000";
    INSERT_OUTBOX = "outbox.insert", "
        insert into outbox (workspace_id, id, topic, payload, state, attempts, available_at, created_at)
        values ($1, $2, $3, $4, 'waiting', 0, $5, $5)";
}

/// What a member did.
#[derive(Debug)]
pub struct NewActivity<'a> {
    /// The actor's workspace.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: ActivityId,
    /// The circuit it happened in.
    pub circuit: Option<CircuitId>,
    /// Who did it.
    pub actor: UserId,
    /// What was done, such as `item.pushed`.
    pub action: &'a str,
    /// To what.
    pub target: &'a str,
    /// More about it.
    pub details: JsonText,
}

/// The step that records an activity.
#[must_use]
pub fn insert_activity(new: NewActivity<'_>, now: Timestamp) -> Step {
    let args = bind![
        new.workspace,
        new.id,
        new.circuit,
        new.actor,
        new.action,
        new.target,
        new.details,
        now
    ];
    (INSERT_ACTIVITY, args)
}

/// One entry of the audit trail.
#[derive(Debug)]
pub struct NewAudit<'a> {
    /// The workspace it concerns.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: AuditId,
    /// Who acted; nobody for an anonymous attempt.
    pub actor: Option<UserId>,
    /// What was done or tried.
    pub action: &'a str,
    /// To what.
    pub target: &'a str,
    /// `done` or `denied`.
    pub outcome: &'a str,
    /// From where.
    pub address: &'a str,
    /// More about it.
    pub details: JsonText,
    /// Its leaf.
    pub leaf: Uuid,
}

/// The step that records it.
#[must_use]
pub fn insert_audit(new: NewAudit<'_>, now: Timestamp) -> Step {
    let args = bind![
        new.workspace,
        new.id,
        new.actor,
        new.action,
        new.target,
        new.outcome,
        new.address,
        new.details,
        new.leaf,
        now,
    ];
    (INSERT_AUDIT, args)
}

/// A leaf that waits for the log: salted commitments, never the payload.
#[derive(Debug)]
pub struct NewLeaf {
    /// The workspace of the record.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: Uuid,
    /// What kind of record it stands for.
    pub kind: LeafKind,
    /// The leaf's canonical bytes (RFC 8785).
    pub canonical: Vec<u8>,
    /// The payload's salted commitment.
    pub hash: [u8; 32],
    /// The salt, erased with the payload.
    pub salt: Salt,
}

/// The step that records it.
#[must_use]
pub fn insert_leaf(new: NewLeaf, now: Timestamp) -> Step {
    (
        INSERT_LEAF,
        bind![
            new.workspace,
            new.id,
            new.kind.as_str(),
            new.canonical,
            new.hash,
            new.salt,
            now
        ],
    )
}

/// The step that asks a worker to do something after commit.
#[must_use]
pub fn insert_outbox(
    workspace: WorkspaceId,
    id: OutboxId,
    topic: &str,
    payload: JsonText,
    now: Timestamp,
) -> Step {
    (INSERT_OUTBOX, bind![workspace, id, topic, payload, now])
}

/// How many records of a kind are in a state.
#[derive(Clone, Debug)]
pub struct StateCount {
    /// The kind or rule.
    pub what: String,
    /// The state.
    pub state: String,
    /// How many.
    pub count: u64,
}

pub(crate) fn state_count(row: &Row) -> Result<StateCount, StoreError> {
    Ok(StateCount {
        what: row.text("what")?,
        state: row.text("state")?,
        count: row.version("n")?,
    })
}

/// Counts the leaves of a span by kind and state.
pub async fn leaf_summary(
    db: &impl Read,
    workspace: WorkspaceId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<StateCount>, StoreError> {
    let rows = db.all(LEAF_SUMMARY, bind![workspace, from, to]).await?;
    rows.iter().map(state_count).collect()
}
