//! What lies in a circuit: items, and the identifiers that are taken in it. What brought them there stands in
//! [`crate::operations`].

use db::{Read, statements};
use domain::{
    circuit::IdentifierRules,
    dfid::Dfid,
    ids::{CircuitId, OperationId, Timestamp, UserId, WorkspaceId},
    operation::OperationState,
    page::PageRequest,
};

use crate::{Step, StoreError, bind::Columns, items::Known};

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
        select c.dfid, c.workspace_id, c.owner_id, c.pushed_by, c.operation_id, c.state, c.published, c.created_at,
               (select o.state from operations o where o.circuit_id = c.circuit_id and o.id = c.operation_id) as operation_state
          from circuit_items c
         where c.circuit_id = $1 and c.dfid {any:$2}
           and exists (select 1 from items i where i.dfid = c.dfid and i.status = 'active')";
    REACHED = "circuit_items.reached", "
        select c.id, c.default_namespace, c.rules, p.dfid, p.state
          from circuit_items p
          join circuit_workspaces w on w.circuit_id = p.circuit_id
          join circuits c on c.id = p.circuit_id
         where p.dfid {any:$2} and p.owner_id = $1 and w.workspace_id = $1";
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
    SPREAD_IDENTIFIERS = "circuit_identifiers.spread",
        sqlite: "
        insert into circuit_identifiers (circuit_id, dfid, owner_id, identifier)
        select p.circuit_id, p.dfid, p.owner_id, k.value
          from circuit_items p join circuit_workspaces w on w.circuit_id = p.circuit_id, json_each($3) k
         where p.dfid = $2 and p.owner_id = $1 and p.state = 'active' and w.workspace_id = $1
        on conflict (circuit_id, identifier) do nothing",
        postgres: "
        insert into circuit_identifiers (circuit_id, dfid, owner_id, identifier)
        select p.circuit_id, p.dfid, p.owner_id, k.value
          from circuit_items p join circuit_workspaces w on w.circuit_id = p.circuit_id, unnest($3::text[]) as k (value)
         where p.dfid = $2 and p.owner_id = $1 and p.state = 'active' and w.workspace_id = $1
        on conflict (circuit_id, identifier) do nothing";
    DELETE_IDENTIFIERS = "circuit_identifiers.delete", "
        delete from circuit_identifiers where circuit_id = $1 and dfid = $2";
    KNOWN = "circuit_identifiers.known", "
        select distinct c.dfid, c.owner_id
          from circuit_identifiers c
         where c.circuit_id = $1 and c.identifier {any:$2}";
    HOLDERS = "circuit_identifiers.holders", "
        select c.identifier, c.dfid
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

/// The step by which an item that was given canonical identifiers takes them in its owner's circuits where it lies, as
/// far as no other item has them there.
#[must_use]
pub fn spread_identifiers(owner: WorkspaceId, dfid: Dfid, keys: Vec<String>) -> Step {
    (SPREAD_IDENTIFIERS, bind![owner, dfid, keys])
}

/// A circuit that an item has a place in, and how identifiers are read there.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The circuit.
    pub circuit: CircuitId,
    /// The item.
    pub dfid: Dfid,
    /// Whether the place waits for approval.
    pub waits: bool,
    /// The namespace for identifiers that name none.
    pub default_namespace: Option<String>,
    /// The circuit's rules.
    pub rules: IdentifierRules,
}

/// The places of a workspace's items in the circuits it takes part in.
pub async fn reached(db: &impl Read, owner: WorkspaceId, dfids: &[Dfid]) -> Result<Vec<Reached>, StoreError> {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    let rows = db.all(REACHED, bind![owner, dfids]).await?;
    rows.iter()
        .map(|row| {
            Ok(Reached {
                circuit: row.id("id")?,
                dfid: row.word("dfid")?,
                waits: row.text("state")? != "active",
                default_namespace: row.get("default_namespace")?,
                rules: row.document("rules")?,
            })
        })
        .collect()
}

/// The step that reads which items have these identifiers in a circuit.
#[must_use]
pub fn holders_step(circuit: CircuitId, keys: Vec<String>) -> Step {
    (HOLDERS, bind![circuit, keys])
}

/// The identifiers that [`holders_step`] found, and the item that has each.
pub fn holders(rows: &[db::Row]) -> Result<Vec<(String, Dfid)>, StoreError> {
    rows.iter()
        .map(|row| Ok((row.text("identifier")?, row.word("dfid")?)))
        .collect()
}

/// The step that frees some of an item's identifiers in its owner's circuits.
#[must_use]
pub fn free_some_identifiers(owner: WorkspaceId, dfid: Dfid, keys: Vec<String>) -> Step {
    (FREE_SOME, bind![owner, dfid, keys])
}

/// The step that reads the places in a circuit of items that are in use and that the caller may read.
#[must_use]
pub fn placed_step(circuit: CircuitId, dfids: &[Dfid]) -> Step {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    (PLACED, bind![circuit, dfids])
}

/// The places that [`placed_step`] read, each with the state of the operation that brought the item.
pub fn placed(rows: &[db::Row]) -> Result<Vec<(CircuitItem, OperationState)>, StoreError> {
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
