//! Local items: a workspace's private items before they have a public identity.

use db::{Read, statements};
use domain::{
    dfid::Dfid,
    identifier::Identifier,
    ids::{Timestamp, UserId, WorkspaceId},
    item::{ItemContent, LocalItemStatus, Undo},
    page::PageRequest,
};
use serde::{Deserialize, Serialize};

use crate::{
    Step, StoreError,
    bind::{Columns, json},
};

/// A local item as stored.
#[derive(Clone, Debug)]
pub struct LocalItem {
    /// The workspace's own name for it.
    pub local_id: String,
    /// Identifiers and data.
    pub content: ItemContent,
    /// Where it stands.
    pub status: LocalItemStatus,
    /// Its public identity, once it has one.
    pub dfid: Option<Dfid>,
    /// The local item it was merged into.
    pub merged_into: Option<String>,
    /// What is needed to undo the last merges into this one, newest last.
    pub undo: Vec<MergeRecord>,
    /// Who created it.
    pub created_by: UserId,
    /// Counts its changes.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One merge into a local item, kept to restore both sides exactly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MergeRecord {
    /// The local items that were merged into this one.
    pub merged: Vec<String>,
    /// The content before and after.
    pub undo: Undo,
}

statements! {
    INSERT = "local_items.insert", "
        insert into local_items (workspace_id, local_id, identifiers, data, status, created_by, version, created_at, updated_at)
        values ($1, $2, $3, $4, 'local_only', $5, 1, $6, $6)";
    INSERT_IDENTIFIERS = "local_identifiers.insert",
        sqlite: "
        insert into local_identifiers (workspace_id, identifier, local_id)
        select $1, value, $2 from json_each($3)",
        postgres: "
        insert into local_identifiers (workspace_id, identifier, local_id)
        select $1, value, $2 from unnest($3::text[]) as value";
    DELETE_IDENTIFIERS = "local_identifiers.delete", "
        delete from local_identifiers where workspace_id = $1 and local_id = $2";
    FIND = "local_items.find", "
        select local_id, identifiers, data, status, dfid, merged_into, undo, created_by, version, created_at, updated_at
          from local_items
         where workspace_id = $1 and local_id = $2";
    LOCK = "local_items.lock", "
        select local_id, identifiers, data, status, dfid, merged_into, undo, created_by, version, created_at, updated_at
          from local_items
         where workspace_id = $1 and local_id = $2
        {for_update}";
    LOCK_MANY = "local_items.lock_many", "
        select local_id, identifiers, data, status, dfid, merged_into, undo, created_by, version, created_at, updated_at
          from local_items
         where workspace_id = $1 and local_id {any:$2}
         order by local_id
        {for_update}";
    LOCK_PAIRS = "local_items.lock_pairs",
        sqlite: "
        select l.workspace_id, l.local_id, l.identifiers, l.data, l.status, l.dfid, l.merged_into, l.undo, l.created_by, l.version, l.created_at, l.updated_at
          from json_each($2) i
          join local_items l on l.workspace_id = $1 ->> i.key and l.local_id = i.value
         where l.workspace_id in (select value from json_each($1))",
        postgres: "
        select l.workspace_id, l.local_id, l.identifiers, l.data, l.status, l.dfid, l.merged_into, l.undo, l.created_by, l.version, l.created_at, l.updated_at
          from unnest($1::uuid[], $2::text[]) as k (w, i), local_items l
         where l.workspace_id = k.w and l.local_id = k.i
         order by l.workspace_id, l.local_id
           for update of l";
    TOKENIZE = "local_items.tokenize",
        sqlite: "
        update local_items
           set status = 'tokenized', dfid = k.dfid, version = version + 1, updated_at = $4
          from (select $1 ->> i.key as workspace_id, i.value as local_id, $3 ->> i.key as dfid from json_each($2) i) as k
         where local_items.workspace_id = k.workspace_id and local_items.local_id = k.local_id",
        postgres: "
        update local_items
           set status = 'tokenized', dfid = k.dfid, version = version + 1, updated_at = $4
          from unnest($1::uuid[], $2::text[], $3::text[]) as k (workspace_id, local_id, dfid)
         where local_items.workspace_id = k.workspace_id and local_items.local_id = k.local_id";
    LIST = "local_items.list", "
        select local_id, identifiers, data, status, dfid, merged_into, undo, created_by, version, created_at, updated_at
          from local_items
         where workspace_id = $1 and local_id > $2 and (cast($3 as {text}) is null or status = $3)
         order by local_id
         limit $4 offset $5";
    COUNT = "local_items.count", "
        select count(*) as n
          from local_items
         where workspace_id = $1 and (cast($2 as {text}) is null or status = $2)";
    SHARING = "local_items.sharing", "
        select local_id, identifiers, data, status, dfid, merged_into, undo, created_by, version, created_at, updated_at
          from local_items
         where workspace_id = $1
           and status <> 'merged'
           and local_id in (
                select l.local_id
                  from local_identifiers l
                 where l.workspace_id = $1
                   and exists (
                        select 1
                          from local_identifiers other
                         where other.workspace_id = $1 and other.identifier = l.identifier and other.local_id <> l.local_id))
         order by local_id
         limit $2";
    SET_CONTENT = "local_items.set_content", "
        update local_items
           set identifiers = $3, data = $4, undo = $5, version = version + 1, updated_at = $6
         where workspace_id = $1 and local_id = $2";
    SET_STATUS = "local_items.set_status", "
        update local_items
           set status = $3, dfid = $4, merged_into = $5, version = version + 1, updated_at = $6
         where workspace_id = $1 and local_id = $2";
    APPROVED = "local_items.approved", "
        update local_items
           set status = 'tokenized', dfid = $4, version = version + 1, updated_at = $5
         where workspace_id = $1 and status = 'pending_approval' and (local_id = $2 or dfid = $3)";
    REFUSED = "local_items.refused", "
        update local_items
           set status = case when dfid is null then 'local_only' else 'tokenized' end, version = version + 1, updated_at = $4
         where workspace_id = $1 and status = 'pending_approval' and (local_id = $2 or dfid = $3)";
}

fn read(row: &db::Row) -> Result<LocalItem, StoreError> {
    Ok(LocalItem {
        local_id: row.text("local_id")?,
        content: ItemContent {
            identifiers: row.document("identifiers")?,
            data: row.document("data")?,
        },
        status: row.word("status")?,
        dfid: row.maybe_word("dfid")?,
        merged_into: row.get("merged_into")?,
        undo: row.maybe_document("undo")?.unwrap_or_default(),
        created_by: row.id("created_by")?,
        version: row.version("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// The steps that add a local item. A local id that is taken is `StoreError::Unique`.
#[must_use]
pub fn insert(
    workspace: WorkspaceId,
    local_id: &str,
    content: &ItemContent,
    by: UserId,
    now: Timestamp,
) -> Vec<Step> {
    let (identifiers, data) = (json(&content.identifiers), json(&content.data));
    let mut steps = vec![(INSERT, bind![workspace, local_id, identifiers, data, by, now])];
    steps.extend(insert_identifiers(workspace, local_id, &content.identifiers));
    steps
}

fn insert_identifiers(workspace: WorkspaceId, local_id: &str, identifiers: &[Identifier]) -> Option<Step> {
    let canonical: Vec<_> = identifiers
        .iter()
        .filter(|one| one.is_canonical())
        .map(Identifier::canonical_key)
        .collect();
    (!canonical.is_empty()).then(|| (INSERT_IDENTIFIERS, bind![workspace, local_id, canonical]))
}

/// Finds a local item of the workspace.
pub async fn find(
    db: &impl Read,
    workspace: WorkspaceId,
    local_id: &str,
) -> Result<Option<LocalItem>, StoreError> {
    db.optional(FIND, bind![workspace, local_id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Finds a local item and keeps others from changing it until the unit of work ends.
pub async fn lock(
    db: &impl Read,
    workspace: WorkspaceId,
    local_id: &str,
) -> Result<Option<LocalItem>, StoreError> {
    db.optional(LOCK, bind![workspace, local_id])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Locks several, always in the same order, so that two merges cannot wait for each other.
pub async fn lock_many(
    db: &impl Read,
    workspace: WorkspaceId,
    local_ids: Vec<String>,
) -> Result<Vec<LocalItem>, StoreError> {
    db.all(LOCK_MANY, bind![workspace, local_ids])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The step that locks local items of several workspaces, always in the same order.
#[must_use]
pub fn lock_pairs(pairs: &[(WorkspaceId, &str)]) -> Step {
    let workspaces: Vec<_> = pairs.iter().map(|(workspace, _)| workspace.uuid()).collect();
    let local_ids: Vec<_> = pairs.iter().map(|(_, local_id)| (*local_id).to_owned()).collect();
    (LOCK_PAIRS, bind![workspaces, local_ids])
}

/// The local items that [`lock_pairs`] locked, and whose each is.
pub fn locked_pairs(rows: &[db::Row]) -> Result<Vec<(WorkspaceId, LocalItem)>, StoreError> {
    rows.iter()
        .map(|row| Ok((row.id("workspace_id")?, read(row)?)))
        .collect()
}

/// The step that gives local items their public identities.
#[must_use]
pub fn tokenize(items: Vec<(WorkspaceId, String, Dfid)>, now: Timestamp) -> Step {
    let workspaces: Vec<_> = items.iter().map(|(workspace, ..)| workspace.uuid()).collect();
    let dfids: Vec<_> = items.iter().map(|(.., dfid)| dfid.to_string()).collect();
    let local_ids: Vec<_> = items.into_iter().map(|(_, local_id, _)| local_id).collect();
    (TOKENIZE, bind![workspaces, local_ids, dfids, now])
}

/// Lists local items by id, one row more than the page shows.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    status: Option<LocalItemStatus>,
    page: &PageRequest,
) -> Result<Vec<LocalItem>, StoreError> {
    let after = page.after.as_ref().map_or("", |cursor| cursor.id.as_str());
    let status = status.map(LocalItemStatus::as_str);
    let args = bind![workspace, after, status, page.rows(), page.offset];
    db.all(LIST, args).await?.iter().map(read).collect()
}

/// Counts them.
pub async fn count(
    db: &impl Read,
    workspace: WorkspaceId,
    status: Option<LocalItemStatus>,
) -> Result<u64, StoreError> {
    db.one(COUNT, bind![workspace, status.map(LocalItemStatus::as_str)])
        .await?
        .version("n")
}

/// Local items that share a canonical identifier with another one, at most `limit`.
pub async fn sharing(
    db: &impl Read,
    workspace: WorkspaceId,
    limit: u32,
) -> Result<Vec<LocalItem>, StoreError> {
    db.all(SHARING, bind![workspace, limit])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The steps that replace the content, with the merges that can be undone.
#[must_use]
pub fn set_content(
    workspace: WorkspaceId,
    local_id: &str,
    content: &ItemContent,
    undo: &[MergeRecord],
    now: Timestamp,
) -> Vec<Step> {
    let (identifiers, data, undo) = (json(&content.identifiers), json(&content.data), json(&undo));
    let mut steps = vec![
        (
            SET_CONTENT,
            bind![workspace, local_id, identifiers, data, undo, now],
        ),
        (DELETE_IDENTIFIERS, bind![workspace, local_id]),
    ];
    steps.extend(insert_identifiers(workspace, local_id, &content.identifiers));
    steps
}

/// The step that moves a local item to another state.
#[must_use]
pub fn set_status(
    workspace: WorkspaceId,
    local_id: &str,
    status: LocalItemStatus,
    dfid: Option<Dfid>,
    merged_into: Option<&str>,
    now: Timestamp,
) -> Step {
    (
        SET_STATUS,
        bind![workspace, local_id, status.as_str(), dfid, merged_into, now],
    )
}

/// The step by which the local items that waited for a push's approval have got a DFID: the pushed one, and others that
/// stand for the same item.
#[must_use]
pub fn approved(
    workspace: WorkspaceId,
    local_id: Option<&str>,
    foreseen: Dfid,
    dfid: Dfid,
    now: Timestamp,
) -> Step {
    (APPROVED, bind![workspace, local_id, foreseen, dfid, now])
}

/// The step by which they wait no more. A DFID that the push gave them stays theirs.
#[must_use]
pub fn refused(workspace: WorkspaceId, local_id: Option<&str>, foreseen: Dfid, now: Timestamp) -> Step {
    (REFUSED, bind![workspace, local_id, foreseen, now])
}
