//! What lies in a circuit: items, the identifiers that are taken in it, and the operations that brought them there.

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
    items::Known,
};

/// An item's place in a circuit.
#[derive(Clone, Debug)]
pub struct CircuitItem {
    /// The item.
    pub dfid: Dfid,
    /// The workspace that pushed it.
    pub workspace_id: WorkspaceId,
    /// The workspace it belongs to.
    pub owner_id: WorkspaceId,
    /// Who pushed it.
    pub pushed_by: UserId,
    /// The push.
    pub operation_id: OperationId,
    /// `pending` until approved, then `active`.
    pub state: String,
    /// Whether the public view shows it.
    pub published: bool,
    /// When it was pushed.
    pub created_at: Timestamp,
}

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
    INSERT = "circuit_items.insert", "
        insert into circuit_items (circuit_id, dfid, workspace_id, owner_id, pushed_by, operation_id, state, published, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, false, $8)
        on conflict (circuit_id, dfid) do update
           set state = excluded.state, operation_id = excluded.operation_id
         where circuit_items.state = 'pending' and circuit_items.workspace_id = excluded.workspace_id";
    INSERT_NEW = "circuit_items.insert_new", "
        insert into circuit_items (circuit_id, dfid, workspace_id, owner_id, pushed_by, operation_id, state, published, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, false, $8)";
    FIND = "circuit_items.find", "
        select dfid, workspace_id, owner_id, pushed_by, operation_id, state, published, created_at
          from circuit_items
         where circuit_id = $1 and dfid = $2";
    PLACED = "circuit_items.placed", "
        select c.dfid, c.workspace_id, c.owner_id, c.pushed_by, c.operation_id, c.state, c.published, c.created_at, o.state as operation_state
          from circuit_items c join operations o on o.circuit_id = c.circuit_id and o.id = c.operation_id
         where c.circuit_id = $1 and c.dfid {any:$2}";
    LIST = "circuit_items.list", "
        select dfid, workspace_id, owner_id, pushed_by, operation_id, state, published, created_at
          from circuit_items
         where circuit_id = $1 and dfid > $2 and (state = 'active' or workspace_id = $3)
         order by dfid
         limit $4 offset $5";
    COUNT = "circuit_items.count", "
        select count(*) as n
          from circuit_items
         where circuit_id = $1 and (state = 'active' or workspace_id = $2)";
    PUBLISHED = "circuit_items.published", "
        select i.dfid, i.identifiers, i.data, i.created_at
          from circuit_items ci join items i on i.dfid = ci.dfid
         where ci.circuit_id = $1 and ci.published and ci.state = 'active' and i.status = 'active' and ci.dfid > $2
         order by ci.dfid
         limit $3 offset $4";
    COUNT_PUBLISHED = "circuit_items.count_published", "
        select count(*) as n
          from circuit_items ci join items i on i.dfid = ci.dfid
         where ci.circuit_id = $1 and ci.published and ci.state = 'active' and i.status = 'active'";
    SET_PUBLISHED = "circuit_items.set_published", "
        update circuit_items set published = $3 where circuit_id = $1 and dfid = $2 and state = 'active'";
    TAKE_BACK = "circuit_items.take_back", "
        delete from circuit_items where circuit_id = $1 and operation_id = $2 and state = 'pending'";
    REMOVE = "circuit_items.remove", "
        delete from circuit_items where circuit_id = $1 and dfid = $2";
    INSERT_IDENTIFIERS = "circuit_identifiers.insert",
        sqlite: "
        insert into circuit_identifiers (circuit_id, dfid, owner_id, identifier)
        select $1, $2, $3, value from json_each($4)
        where not exists (select 1 from circuit_identifiers c where c.circuit_id = $1 and c.identifier = value and c.dfid = $2)",
        postgres: "
        insert into circuit_identifiers (circuit_id, dfid, owner_id, identifier)
        select $1, $2, $3, value from unnest($4::text[]) as value
        where not exists (select 1 from circuit_identifiers c where c.circuit_id = $1 and c.identifier = value and c.dfid = $2)";
    INSERT_NEW_IDENTIFIER = "circuit_identifiers.insert_new", "
        insert into circuit_identifiers (circuit_id, dfid, owner_id, identifier)
        values ($1, $2, $3, $4)";
    DELETE_IDENTIFIERS = "circuit_identifiers.delete", "
        delete from circuit_identifiers where circuit_id = $1 and dfid = $2";
    KNOWN = "circuit_identifiers.known", "
        select distinct c.dfid, c.owner_id
          from circuit_identifiers c
         where c.circuit_id = $1 and c.identifier {any:$2}";
    MOVE_PLACES = "circuit_items.move", "
        insert into circuit_items (circuit_id, dfid, workspace_id, owner_id, pushed_by, operation_id, state, published, created_at)
        select c.circuit_id, $3, c.workspace_id, c.owner_id, c.pushed_by, c.operation_id, c.state, c.published, c.created_at
          from circuit_items c join circuit_workspaces w on w.circuit_id = c.circuit_id
         where w.workspace_id = $1 and c.owner_id = $1 and c.dfid = $2
        on conflict (circuit_id, dfid) do nothing";
    MOVE_IDENTIFIERS = "circuit_identifiers.move", "
        update circuit_identifiers
           set dfid = $3
         where owner_id = $1 and dfid = $2
           and exists (select 1
                         from circuit_items c join circuit_workspaces w on w.circuit_id = c.circuit_id
                        where w.workspace_id = $1 and c.circuit_id = circuit_identifiers.circuit_id and c.dfid = $3 and c.state = 'active')";
    LEAVE_PLACES = "circuit_items.leave", "
        delete from circuit_items
         where owner_id = $1 and dfid = $2
           and circuit_id in (select w.circuit_id from circuit_workspaces w where w.workspace_id = $1)";
    FREE_IDENTIFIERS = "circuit_identifiers.free", "
        delete from circuit_identifiers
         where owner_id = $1 and dfid = $2
           and circuit_id in (select w.circuit_id from circuit_workspaces w where w.workspace_id = $1)";
    FREE_SOME = "circuit_identifiers.free_some", "
        delete from circuit_identifiers
         where owner_id = $1 and dfid = $2 and identifier {any:$3}
           and circuit_id in (select w.circuit_id from circuit_workspaces w where w.workspace_id = $1)";
    INSERT_OPERATION = "operations.insert", "
        insert into operations (circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, content, requested_by, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)";
    OPERATION = "operations.find", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, content, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and id = $2";
    OPERATIONS = "operations.list", "
        select circuit_id, id, workspace_id, kind, state, dfid, local_id, push_status, requested_by, decided_by, reason, created_at, updated_at
          from operations
         where circuit_id = $1 and id > $2
           and (cast($3 as {text}) is null or state = $3)
           and (cast($4 as {uuid}) is null or requested_by = $4)
         order by id
         limit $5 offset $6";
    COUNT_OPERATIONS = "operations.count", "
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

fn read_item(row: &db::Row) -> Result<CircuitItem, StoreError> {
    Ok(CircuitItem {
        dfid: row.word("dfid")?,
        workspace_id: row.id("workspace_id")?,
        owner_id: row.id("owner_id")?,
        pushed_by: row.id("pushed_by")?,
        operation_id: row.id("operation_id")?,
        state: row.text("state")?,
        published: row.get("published")?,
        created_at: row.time("created_at")?,
    })
}

fn read_operation(row: &db::Row) -> Result<Operation, StoreError> {
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
        ..read_operation(row)?
    })
}

/// The step that places an item in a circuit. What lies there already stays as it is, unless it waits for approval and
/// the same workspace places it again.
#[must_use]
pub fn insert(circuit: CircuitId, item: &CircuitItem) -> Step {
    (INSERT, place(circuit, item))
}

/// The steps that place an item which has just been made, with its canonical identifiers. One that is taken in the
/// circuit is `StoreError::Unique`.
#[must_use]
pub fn insert_new(circuit: CircuitId, item: &CircuitItem, keys: &[String]) -> Vec<Step> {
    let mut steps = vec![(INSERT_NEW, place(circuit, item))];
    let row = |key: &String| {
        let args = bind![circuit, item.dfid, item.owner_id, key];
        (INSERT_NEW_IDENTIFIER, args)
    };
    steps.extend(keys.iter().map(row));
    steps
}

fn place(circuit: CircuitId, item: &CircuitItem) -> Vec<db::Value> {
    bind![
        circuit,
        item.dfid,
        item.workspace_id,
        item.owner_id,
        item.pushed_by,
        item.operation_id,
        item.state.as_str(),
        item.created_at
    ]
}

/// An item's place in a circuit.
pub async fn find(db: &impl Read, circuit: CircuitId, dfid: Dfid) -> Result<Option<CircuitItem>, StoreError> {
    db.optional(FIND, bind![circuit, dfid])
        .await?
        .as_ref()
        .map(read_item)
        .transpose()
}

/// What lies in a circuit, by DFID; what waits for approval is shown to those who pushed it only.
pub async fn list(
    db: &impl Read,
    circuit: CircuitId,
    viewer: WorkspaceId,
    page: &PageRequest,
) -> Result<Vec<CircuitItem>, StoreError> {
    let after = page.after.as_ref().map_or("", |cursor| cursor.id.as_str());
    let args = bind![circuit, after, viewer, page.rows(), page.offset];
    db.all(LIST, args).await?.iter().map(read_item).collect()
}

/// Counts it.
pub async fn count(db: &impl Read, circuit: CircuitId, viewer: WorkspaceId) -> Result<u64, StoreError> {
    db.one(COUNT, bind![circuit, viewer]).await?.version("n")
}

/// What the public sees of an item.
#[derive(Clone, Debug)]
pub struct PublishedItem {
    /// The item.
    pub dfid: Dfid,
    /// Its identifiers, a JSON array.
    pub identifiers: db::JsonText,
    /// Its data, a JSON object.
    pub data: db::JsonText,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The published items of a circuit, by DFID.
pub async fn published(
    db: &impl Read,
    circuit: CircuitId,
    page: &PageRequest,
) -> Result<Vec<PublishedItem>, StoreError> {
    let after = page.after.as_ref().map_or("", |cursor| cursor.id.as_str());
    let args = bind![circuit, after, page.rows(), page.offset];
    let rows = db.all(PUBLISHED, args).await?;
    rows.iter()
        .map(|row| {
            Ok(PublishedItem {
                dfid: row.word("dfid")?,
                identifiers: row.get("identifiers")?,
                data: row.get("data")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
}

/// Counts the published items of a circuit.
pub async fn count_published(db: &impl Read, circuit: CircuitId) -> Result<u64, StoreError> {
    db.one(COUNT_PUBLISHED, bind![circuit]).await?.version("n")
}

/// The step that shows an item to the public, or hides it.
#[must_use]
pub fn set_published(circuit: CircuitId, dfid: Dfid, published: bool) -> Step {
    (SET_PUBLISHED, bind![circuit, dfid, published])
}

/// The step that takes back the place that waited for an operation.
#[must_use]
pub fn take_back(circuit: CircuitId, operation: OperationId) -> Step {
    (TAKE_BACK, bind![circuit, operation])
}

/// The steps by which an item takes the places of another one of the same owner, which was merged into it. Where it
/// waits for approval itself, it does not take the other's identifiers: they would give it away.
#[must_use]
pub fn move_to(owner: WorkspaceId, from: Dfid, to: Dfid) -> Vec<Step> {
    vec![
        (MOVE_PLACES, bind![owner, from, to]),
        (MOVE_IDENTIFIERS, bind![owner, from, to]),
        (FREE_IDENTIFIERS, bind![owner, from]),
        (LEAVE_PLACES, bind![owner, from]),
    ]
}

/// The step that frees an item's identifiers in its owner's circuits, so that another item may carry them.
#[must_use]
pub fn free_identifiers(owner: WorkspaceId, dfid: Dfid) -> Step {
    (FREE_IDENTIFIERS, bind![owner, dfid])
}

/// The steps that remove an item from a circuit; what was pulled stays pulled.
#[must_use]
pub fn remove(circuit: CircuitId, dfid: Dfid) -> Vec<Step> {
    vec![
        (DELETE_IDENTIFIERS, bind![circuit, dfid]),
        (REMOVE, bind![circuit, dfid]),
    ]
}

/// The step that takes canonical identifiers within a circuit. Taken by another item: `StoreError::Unique`.
#[must_use]
pub fn insert_identifiers(circuit: CircuitId, dfid: Dfid, owner: WorkspaceId, keys: Vec<String>) -> Step {
    (INSERT_IDENTIFIERS, bind![circuit, dfid, owner, keys])
}

/// The step that frees some of an item's identifiers in its owner's circuits.
#[must_use]
pub fn free_some_identifiers(owner: WorkspaceId, dfid: Dfid, keys: Vec<String>) -> Step {
    (FREE_SOME, bind![owner, dfid, keys])
}

/// The places of items in a circuit, each with the state of the operation that brought it.
pub async fn placed(
    db: &impl Read,
    circuit: CircuitId,
    dfids: &[Dfid],
) -> Result<Vec<(CircuitItem, OperationState)>, StoreError> {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    let rows = db.all(PLACED, bind![circuit, dfids]).await?;
    rows.iter()
        .map(|row| Ok((read_item(row)?, row.word("operation_state")?)))
        .collect()
}

/// The step that reads what [`known`] tells.
#[must_use]
pub fn known_step(circuit: CircuitId, keys: Vec<String>) -> Step {
    (KNOWN, bind![circuit, keys])
}

/// The items that carry one of these identifiers in this circuit.
pub async fn known(db: &impl Read, circuit: CircuitId, keys: Vec<String>) -> Result<Vec<Known>, StoreError> {
    let rows = db.all(KNOWN, bind![circuit, keys]).await?;
    rows.iter()
        .map(|row| {
            Ok(Known {
                dfid: row.word("dfid")?,
                owner_id: row.id("owner_id")?,
            })
        })
        .collect()
}

/// The step that records an operation.
#[must_use]
pub fn insert_operation(operation: &Operation) -> Step {
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
    (INSERT_OPERATION, args)
}

/// One operation of a circuit.
pub async fn operation(
    db: &impl Read,
    circuit: CircuitId,
    id: OperationId,
) -> Result<Option<Operation>, StoreError> {
    db.optional(OPERATION, bind![circuit, id])
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

/// Which operations of a circuit a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperationFilter {
    /// Only those in this state.
    pub state: Option<OperationState>,
    /// Only those this user asked for.
    pub requested_by: Option<UserId>,
}

/// Counts operations of a circuit.
pub async fn count_operations(
    db: &impl Read,
    circuit: CircuitId,
    filter: OperationFilter,
) -> Result<u64, StoreError> {
    let args = bind![
        circuit,
        filter.state.map(OperationState::as_str),
        filter.requested_by
    ];
    db.one(COUNT_OPERATIONS, args).await?.version("n")
}

/// Operations of a circuit, oldest first, after `after`, one row more than the page shows.
pub async fn operations(
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
    db.all(OPERATIONS, args)
        .await?
        .iter()
        .map(read_operation)
        .collect()
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
    db.optional(LATEST, args)
        .await?
        .as_ref()
        .map(read_operation)
        .transpose()
}

/// The step that moves an operation from one state to the next; it affects no row if somebody else was first. The
/// content it kept is gone with that.
#[must_use]
pub fn move_operation(
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
