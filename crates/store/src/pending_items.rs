//! Items that wait for a person's decision.

use db::{JsonText, Read, statements};
use domain::{
    dfid::Dfid,
    ids::{CircuitId, PendingItemId, Timestamp, UserId, WorkspaceId},
    item::{ItemContent, PendingReason, PendingState, Priority},
    page::PageRequest,
};

use crate::{
    Step, StoreError,
    bind::{Columns, json},
};

/// A pending item as stored.
#[derive(Clone, Debug)]
pub struct PendingItem {
    /// Its id.
    pub id: PendingItemId,
    /// The circuit the push was meant for.
    pub circuit_id: Option<CircuitId>,
    /// The local item that was pushed.
    pub local_id: Option<String>,
    /// Why it waits.
    pub reason: PendingReason,
    /// How urgent it is.
    pub priority: Priority,
    /// What was pushed.
    pub content: ItemContent,
    /// The items its identifiers point to.
    pub candidates: Vec<Dfid>,
    /// Where it stands.
    pub state: PendingState,
    /// How it was resolved, a JSON object.
    pub resolution: Option<JsonText>,
    /// Who pushed.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
}

statements! {
    INSERT = "pending_items.insert", "
        insert into pending_items (workspace_id, id, circuit_id, local_id, reason, priority, identifiers, data, candidates, actions, status, created_by, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', $11, $12)";
    OPEN = "pending_items.open", "
        select id
          from pending_items
         where workspace_id = $1 and circuit_id = $2 and status = 'pending'
           and (local_id = $3 or (local_id is null and cast($3 as {text}) is null and cast(candidates as {text}) = $4))
         limit 1";
    FIND = "pending_items.find", "
        select id, circuit_id, local_id, reason, priority, identifiers, data, candidates, status, resolution, created_by, created_at, resolved_at
          from pending_items
         where workspace_id = $1 and id = $2
        {for_update}";
    LIST = "pending_items.list", "
        select id, circuit_id, local_id, reason, priority, identifiers, data, candidates, status, resolution, created_by, created_at, resolved_at
          from pending_items
         where workspace_id = $1 and id > $2 and (cast($3 as {text}) is null or status = $3)
         order by id
         limit $4 offset $5";
    COUNT = "pending_items.count", "
        select count(*) as n
          from pending_items
         where workspace_id = $1 and (cast($2 as {text}) is null or status = $2)";
    RESOLVE = "pending_items.resolve", "
        update pending_items set status = $3, resolution = $4, resolved_at = $5
         where workspace_id = $1 and id = $2 and status = 'pending'";
}

fn read(row: &db::Row) -> Result<PendingItem, StoreError> {
    Ok(PendingItem {
        id: row.id("id")?,
        circuit_id: row.maybe_id("circuit_id")?,
        local_id: row.get("local_id")?,
        reason: row.word("reason")?,
        priority: row.word("priority")?,
        content: ItemContent {
            identifiers: row.document("identifiers")?,
            data: row.document("data")?,
        },
        candidates: row.document("candidates")?,
        state: row.word("status")?,
        resolution: row.get("resolution")?,
        created_by: row.id("created_by")?,
        created_at: row.time("created_at")?,
        resolved_at: row.maybe_time("resolved_at")?,
    })
}

/// The step that adds a pending item.
#[must_use]
pub fn insert(workspace: WorkspaceId, pending: &PendingItem) -> Step {
    let p = pending;
    let args = bind![
        workspace,
        p.id,
        p.circuit_id,
        p.local_id.clone(),
        p.reason.as_str(),
        p.priority.as_str(),
        json(&p.content.identifiers),
        json(&p.content.data),
        json(&p.candidates),
        json(&p.reason.suggested_actions()),
        p.created_by,
        p.created_at,
    ];
    (INSERT, args)
}

/// The open pending item of an earlier push of the same local item, or else of the same items, to the same circuit.
pub async fn open(
    db: &impl Read,
    workspace: WorkspaceId,
    circuit: CircuitId,
    local_id: Option<&str>,
    candidates: &[Dfid],
) -> Result<Option<PendingItemId>, StoreError> {
    db.optional(OPEN, bind![workspace, circuit, local_id, json(&candidates).0])
        .await?
        .map(|row| row.id("id"))
        .transpose()
}

/// Finds a pending item and keeps others from resolving it until the unit of work ends.
pub async fn lock(
    db: &impl Read,
    workspace: WorkspaceId,
    id: PendingItemId,
) -> Result<Option<PendingItem>, StoreError> {
    db.optional(FIND, bind![workspace, id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Pending items, oldest first, after `after`, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    state: Option<PendingState>,
    after: PendingItemId,
    page: &PageRequest,
) -> Result<Vec<PendingItem>, StoreError> {
    let state = state.map(PendingState::as_str);
    let args = bind![workspace, after, state, page.rows(), page.offset];
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// Counts them.
pub async fn count(
    db: &impl Read,
    workspace: WorkspaceId,
    state: Option<PendingState>,
) -> Result<u64, StoreError> {
    db.one(COUNT, bind![workspace, state.map(PendingState::as_str)])
        .await?
        .version("n")
}

/// The step that resolves an open one; it affects no row if somebody else was first.
#[must_use]
pub fn resolve(
    workspace: WorkspaceId,
    id: PendingItemId,
    state: PendingState,
    resolution: &serde_json::Value,
    now: Timestamp,
) -> Step {
    (
        RESOLVE,
        bind![workspace, id, state.as_str(), json(resolution), now],
    )
}
