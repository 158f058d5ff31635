//! Pushes and pulls, and where they stand.

use db::{Read, statements};
use domain::{
    dfid::Dfid,
    ids::{CircuitId, OperationId, Timestamp, UserId, WorkspaceId},
    item::ItemContent,
    operation::{OperationKind, OperationState},
    page::PageRequest,
    push::PushStatus,
};

use crate::{
    Step, StoreError,
    bind::{Columns, json},
};

/// A push or pull and where it stands.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its circuit.
    pub circuit_id: CircuitId,
    /// Its id.
    pub id: OperationId,
    /// The workspace that asked.
    pub workspace_id: WorkspaceId,
    /// Push or pull.
    pub kind: OperationKind,
    /// Where it stands.
    pub state: OperationState,
    /// The item.
    pub dfid: Dfid,
    /// The local item it came from.
    pub local_id: Option<String>,
    /// What a push amounted to when it was asked for.
    pub push_status: Option<PushStatus>,
    /// What a waiting push would add to another workspace's item. Lists leave it out.
    pub content: Option<ItemContent>,
    /// Who asked.
    pub requested_by: UserId,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

statements! {
    INSERT = "operations.insert", "
        insert into operations (circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, content, requested_by, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
    FIND = "operations.find", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, content, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and id = $2";
    LIST = "operations.list", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and id > $2
           and (cast($3 as {text}) is null or state = $3)
           and (cast($4 as {uuid}) is null or requested_by = $4)
         order by id
         limit $5 offset $6";
    COUNT = "operations.count", "
        select count(*) as n
          from operations
         where circuit_id = $1
           and (cast($2 as {text}) is null or state = $2)
           and (cast($3 as {uuid}) is null or requested_by = $3)";
    WAITING_PUSH = "operations.waiting_push", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, content, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and workspace_id = $2 and local_id = $3 and state = 'pending' and kind = 'push'
         order by id
         limit 1";
    COUNT_WAITING = "operations.count_waiting_content", "
        select count(*) as n
          from operations
         where circuit_id = $1 and workspace_id = $2 and state = 'pending' and content is not null";
    WAITING_OF_MEMBER = "operations.waiting_of_member", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and workspace_id = $2 and requested_by = $3 and state = 'pending'
         order by id
         limit $4";
    WAITING_FOR = "operations.waiting_for", "
        select o.circuit_id, o.id, o.workspace_id, o.kind, o.state, o.dfid, o.local_id, o.push_status, o.requested_by, o.decided_by, o.reason, o.created_at, o.updated_at
          from circuit_workspaces w join operations o on o.circuit_id = w.circuit_id
         where w.workspace_id = $1 and o.workspace_id = $1 and o.requested_by = $2 and o.state = 'pending'
         order by o.circuit_id, o.id
         limit $3";
    LATEST = "operations.latest", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and dfid = $2 and workspace_id = $3 and kind = $4
         order by id desc
         limit 1";
    MOVE = "operations.move", "
        update operations
           set state = $4, decided_by = coalesce($5, decided_by), reason = coalesce($6, reason), content = null, updated_at = $7
         where circuit_id = $1 and id = $2 and state = $3";
    SET_DFID = "operations.set_dfid", "
        update operations set dfid = $3 where circuit_id = $1 and id = $2";
}

fn read(row: &db::Row) -> Result<Operation, StoreError> {
    Ok(Operation {
        circuit_id: row.id("circuit_id")?,
        id: row.id("id")?,
        workspace_id: row.id("workspace_id")?,
        kind: row.word("kind")?,
        state: row.word("state")?,
        dfid: row.word("dfid")?,
        local_id: row.get("local_id")?,
        push_status: row.maybe_word("push_status")?,
        content: None,
        requested_by: row.id("requested_by")?,
        decided_by: row.maybe_id("decided_by")?,
        reason: row.get("reason")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn read_with_content(row: &db::Row) -> Result<Operation, StoreError> {
    Ok(Operation {
        content: row.maybe_document("content")?,
        ..read(row)?
    })
}

/// The step that records an operation.
#[must_use]
pub fn insert(operation: &Operation) -> Step {
    let o = operation;
    let args = bind![
        o.circuit_id,
        o.id,
        o.workspace_id,
        o.kind.as_str(),
        o.state.as_str(),
        o.dfid,
        o.local_id.clone(),
        o.push_status.map(PushStatus::as_str),
        o.content.as_ref().map(json),
        o.requested_by,
        o.created_at,
    ];
    (INSERT, args)
}

/// One operation of a circuit.
pub async fn find(
    db: &impl Read,
    circuit: CircuitId,
    id: OperationId,
) -> Result<Option<Operation>, StoreError> {
    db.optional(FIND, bind![circuit, id])
        .await?
        .as_ref()
        .map(read_with_content)
        .transpose()
}

/// The push of a local item that waits for approval.
pub async fn waiting_push(
    db: &impl Read,
    circuit: CircuitId,
    workspace: WorkspaceId,
    local_id: &str,
) -> Result<Option<Operation>, StoreError> {
    db.optional(WAITING_PUSH, bind![circuit, workspace, local_id])
        .await?
        .as_ref()
        .map(read_with_content)
        .transpose()
}

/// How many pushes of a workspace wait in a circuit with content of their own.
pub async fn count_waiting(
    db: &impl Read,
    circuit: CircuitId,
    workspace: WorkspaceId,
) -> Result<u64, StoreError> {
    db.one(COUNT_WAITING, bind![circuit, workspace])
        .await?
        .version("n")
}

/// What a member asked for in a circuit and still waits, at most `limit`, without the content.
pub async fn waiting_of_member(
    db: &impl Read,
    circuit: CircuitId,
    (user, workspace): (UserId, WorkspaceId),
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    let rows = db
        .all(WAITING_OF_MEMBER, bind![circuit, workspace, user, limit])
        .await?;
    rows.iter().map(read).collect()
}

/// What a user asked for in the name of a workspace, in whatever circuit, and still waits, at most `limit`.
pub async fn waiting_for(
    db: &impl Read,
    workspace: WorkspaceId,
    user: UserId,
    limit: u32,
) -> Result<Vec<Operation>, StoreError> {
    let rows = db.all(WAITING_FOR, bind![workspace, user, limit]).await?;
    rows.iter().map(read).collect()
}

/// Which operations of a circuit a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperationFilter {
    /// Only those in this state.
    pub state: Option<OperationState>,
    /// Only those this user asked for.
    pub requested_by: Option<UserId>,
}

/// Counts operations of a circuit.
pub async fn count(db: &impl Read, circuit: CircuitId, filter: OperationFilter) -> Result<u64, StoreError> {
    let args = bind![
        circuit,
        filter.state.map(OperationState::as_str),
        filter.requested_by
    ];
    db.one(COUNT, args).await?.version("n")
}

/// Operations of a circuit, oldest first, after `after`, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    circuit: CircuitId,
    filter: OperationFilter,
    after: OperationId,
    page: &PageRequest,
) -> Result<Vec<Operation>, StoreError> {
    let args = bind![
        circuit,
        after,
        filter.state.map(OperationState::as_str),
        filter.requested_by,
        page.rows(),
        page.offset
    ];
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// The last operation of a kind by a workspace on an item.
pub async fn latest(
    db: &impl Read,
    circuit: CircuitId,
    dfid: Dfid,
    workspace: WorkspaceId,
    kind: OperationKind,
) -> Result<Option<Operation>, StoreError> {
    let args = bind![circuit, dfid, workspace, kind.as_str()];
    db.optional(LATEST, args).await?.as_ref().map(read).transpose()
}

/// The step that moves an operation from one state to the next; it affects no row if somebody else was first. The
/// content it kept is gone with that.
#[must_use]
pub fn move_on(
    (circuit, id): (CircuitId, OperationId),
    (from, to): (OperationState, OperationState),
    by: Option<UserId>,
    reason: Option<&str>,
    now: Timestamp,
) -> Step {
    (
        MOVE,
        bind![circuit, id, from.as_str(), to.as_str(), by, reason, now],
    )
}

/// The step that lets an operation name the item it came to, when that is another one than was foreseen.
#[must_use]
pub fn set_dfid((circuit, id): (CircuitId, OperationId), dfid: Dfid) -> Step {
    (SET_DFID, bind![circuit, id, dfid])
}
