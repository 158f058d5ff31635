//! Items: what a DFID stands for, and its identifiers. Lists of them stand in [`crate::item_lists`], who may read them in
//! [`crate::item_grants`], what happened to them in [`crate::item_history`].

use std::collections::{BTreeMap, HashMap};

use db::{JsonText, Read, statements};
use domain::{
    dfid::Dfid,
    identifier::Identifier,
    ids::{CircuitId, Timestamp, UserId, WorkspaceId},
    item::{Fingerprint, ItemContent, ItemStatus},
};
use uuid::Uuid;

use crate::{
    Step, StoreError,
    bind::{Columns, json},
};

/// An item as stored. Documents stay texts: most readers pass them on unchanged.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its public identity.
    pub dfid: Dfid,
    /// The workspace it belongs to.
    pub workspace_id: WorkspaceId,
    /// Its identifiers, a JSON array.
    pub identifiers: JsonText,
    /// Other ids it is known by, a JSON array.
    pub aliases: JsonText,
    /// Its data, a JSON object.
    pub data: JsonText,
    /// Where it stands.
    pub status: ItemStatus,
    /// The item that stands for it after a merge.
    pub redirect_to: Option<Dfid>,
    /// How sure we are that its parts belong together, 0 to 1.
    pub confidence: f64,
    /// Where its content came from, a JSON array.
    pub sources: JsonText,
    /// Counts its changes.
    pub version: u64,
    /// Who created it.
    pub created_by: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Item {
    /// The items that were merged into this one.
    #[must_use]
    pub fn merged(&self) -> Vec<Dfid> {
        let aliases: Vec<String> = serde_json::from_str(&self.aliases.0).unwrap_or_default();
        aliases.iter().filter_map(|alias| alias.parse().ok()).collect()
    }

    /// Reads the documents.
    pub fn content(&self) -> Result<ItemContent, StoreError> {
        Ok(ItemContent {
            identifiers: parse("identifiers", &self.identifiers)?,
            data: parse("data", &self.data)?,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(column: &'static str, text: &JsonText) -> Result<T, StoreError> {
    serde_json::from_str(&text.0).map_err(|error| StoreError::Corrupt {
        column: column.to_owned(),
        reason: error.to_string(),
    })
}

statements! {
    INSERT = "items.insert", "
        insert into items (dfid, workspace_id, identifiers, aliases, data, status, confidence, sources, fingerprint, version, created_by, created_at, updated_at)
        values ($1, $2, $3, '[]', $4, 'active', 1.0, $5, $6, 1, $7, $8, $8)";
    INSERT_IDENTIFIER = "item_identifiers.insert", "
        insert into item_identifiers (workspace_id, dfid, identifier, canonical, value)
        values ($1, $2, $3, $4, $5)";
    DELETE_IDENTIFIERS = "item_identifiers.delete", "
        delete from item_identifiers where workspace_id = $1 and dfid = $2";
    LOAD = "items.load",
        sqlite: "
        select i.dfid, i.workspace_id, i.identifiers, i.aliases, i.data, i.status, i.redirect_to, i.confidence, i.sources, i.version, i.created_by, i.created_at, i.updated_at, $1 ->> d.key as reader
          from json_each($2) d
          join items i on i.dfid = d.value
         where i.workspace_id = $1 ->> d.key
            or exists (select 1 from item_grants g where g.workspace_id = $1 ->> d.key and g.dfid = i.dfid)",
        postgres: "
        select i.dfid, i.workspace_id, i.identifiers, i.aliases, i.data, i.status, i.redirect_to, i.confidence, i.sources, i.version, i.created_by, i.created_at, i.updated_at, k.w as reader
          from unnest($1::uuid[], $2::text[]) as k (w, d)
          join items i on i.dfid = k.d
         where i.workspace_id = k.w
            or exists (select 1 from item_grants g where g.workspace_id = k.w and g.dfid = i.dfid)";
    LOCK = "items.lock", "
        select dfid, workspace_id, identifiers, aliases, data, status, redirect_to, confidence, sources, version, created_by, created_at, updated_at
          from items
         where workspace_id = $1 and dfid = $2
        {for_update}";
    LOCK_MANY = "items.lock_many", "
        select dfid, workspace_id, identifiers, aliases, data, status, redirect_to, confidence, sources, version, created_by, created_at, updated_at
          from items
         where workspace_id = $1 and dfid {any:$2}
         order by dfid
        {for_update}";
    BY_CANONICAL = "items.by_canonical", "
        select x.identifier, x.dfid, x.workspace_id as owner_id
          from item_identifiers x join items i on i.dfid = x.dfid
         where x.workspace_id = $1 and x.canonical and x.identifier {any:$2} and i.status = 'active'";
    BY_FINGERPRINT = "items.by_fingerprint", "
        select dfid
          from items
         where workspace_id = $1 and fingerprint = $2 and status in ('active', 'merged')
         order by status, updated_at desc
         limit 1";
    KNOWN_TO_OTHERS = "items.known_to_others", "
        select i.dfid
          from items i
         where i.workspace_id = $1 and i.dfid = $2
           and (exists (select 1 from circuit_items c where c.dfid = i.dfid and c.circuit_id <> $3)
                or exists (select 1 from item_grants g where g.dfid = i.dfid))";
    RETIRE_IDENTIFIERS = "item_identifiers.retire", "
        update item_identifiers set canonical = false where workspace_id = $1 and dfid = $2";
    REDIRECT = "items.redirect", "
        update items set redirect_to = $3 where workspace_id = $1 and dfid {any:$2} and status = 'merged'";
    SET_ALIASES = "items.set_aliases", "
        update items set aliases = $3 where workspace_id = $1 and dfid = $2";
    SET_CONTENT = "items.set_content", "
        update items
           set identifiers = $3, data = $4, sources = $5, version = version + 1, updated_at = $6
         where workspace_id = $1 and dfid = $2";
    SET_STATUS = "items.set_status", "
        update items
           set status = $3, redirect_to = $4, aliases = $5, version = version + 1, updated_at = $6
         where workspace_id = $1 and dfid = $2";
}

pub(crate) fn read(row: &db::Row) -> Result<Item, StoreError> {
    Ok(Item {
        dfid: row.word("dfid")?,
        workspace_id: row.id("workspace_id")?,
        identifiers: row.get("identifiers")?,
        aliases: row.get("aliases")?,
        data: row.get("data")?,
        status: row.word("status")?,
        redirect_to: row.maybe_word("redirect_to")?,
        confidence: row.get("confidence")?,
        sources: row.get("sources")?,
        version: row.version("version")?,
        created_by: row.id("created_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// What is needed to add an item.
#[derive(Debug)]
pub struct NewItem<'a> {
    /// The new identity.
    pub dfid: Dfid,
    /// Whose it will be.
    pub workspace: WorkspaceId,
    /// Identifiers and data.
    pub content: &'a ItemContent,
    /// Where the content came from.
    pub source: &'a str,
    /// By which the same push is recognised, where the circuit asks for it.
    pub fingerprint: Option<Fingerprint>,
    /// Who creates it.
    pub by: UserId,
}

/// The steps that add an item with its identifiers.
#[must_use]
pub fn insert(new: &NewItem<'_>, now: Timestamp) -> Vec<Step> {
    let (identifiers, data) = (json(&new.content.identifiers), json(&new.content.data));
    let sources = json(&[new.source]);
    let args = bind![
        new.dfid,
        new.workspace,
        identifiers,
        data,
        sources,
        new.fingerprint,
        new.by,
        now
    ];
    let mut steps = vec![(INSERT, args)];
    steps.extend(insert_identifiers(
        new.workspace,
        new.dfid,
        &new.content.identifiers,
    ));
    steps
}

/// A row for each identifier; those that mean the same share one.
fn insert_identifiers(
    workspace: WorkspaceId,
    dfid: Dfid,
    identifiers: &[Identifier],
) -> impl Iterator<Item = Step> {
    let rows: BTreeMap<_, _> = identifiers
        .iter()
        .rev()
        .map(|one| (one.canonical_key(), (one.is_canonical(), one.value.clone())))
        .collect();
    rows.into_iter().map(move |(key, (canonical, value))| {
        (INSERT_IDENTIFIER, bind![workspace, dfid, key, canonical, value])
    })
}

/// The steps that replace an item's content; an item of another workspace is left alone.
#[must_use]
pub fn set_content(
    workspace: WorkspaceId,
    dfid: Dfid,
    content: &ItemContent,
    sources: &[String],
    now: Timestamp,
) -> Vec<Step> {
    let (identifiers, data) = (json(&content.identifiers), json(&content.data));
    let args = bind![workspace, dfid, identifiers, data, json(&sources), now];
    let mut steps = vec![(SET_CONTENT, args), (DELETE_IDENTIFIERS, bind![workspace, dfid])];
    steps.extend(insert_identifiers(workspace, dfid, &content.identifiers));
    steps
}

/// The step that moves an item to another state.
#[must_use]
pub fn set_status(
    workspace: WorkspaceId,
    dfid: Dfid,
    status: ItemStatus,
    redirect_to: Option<Dfid>,
    aliases: &[String],
    now: Timestamp,
) -> Step {
    (
        SET_STATUS,
        bind![workspace, dfid, status.as_str(), redirect_to, json(&aliases), now],
    )
}

/// The step that frees an item's identifiers, so that another item may carry them.
#[must_use]
pub fn release_identifiers(workspace: WorkspaceId, dfid: Dfid) -> Step {
    (DELETE_IDENTIFIERS, bind![workspace, dfid])
}

/// The step that lets an item's identifiers be searched for but hold nothing: another item may carry them.
#[must_use]
pub fn retire_identifiers(workspace: WorkspaceId, dfid: Dfid) -> Step {
    (RETIRE_IDENTIFIERS, bind![workspace, dfid])
}

/// The step that says by which other ids an item is known. It is part of a change, not one of its own.
#[must_use]
pub fn set_aliases(workspace: WorkspaceId, dfid: Dfid, aliases: &[String]) -> Step {
    (SET_ALIASES, bind![workspace, dfid, json(&aliases)])
}

/// The step that leads what was merged earlier straight to the item that stays. It is part of a change, not one of its own.
#[must_use]
pub fn redirect(workspace: WorkspaceId, dfids: &[Dfid], to: Dfid) -> Step {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    (REDIRECT, bind![workspace, dfids, to])
}

/// Reads items by reader and DFID, for many readers at once: each sees what is its own or was granted to it.
pub async fn load(
    db: &impl Read,
    keys: &[(WorkspaceId, Dfid)],
) -> Result<HashMap<(WorkspaceId, Dfid), Item>, StoreError> {
    let readers: Vec<Uuid> = keys.iter().map(|(reader, _)| reader.uuid()).collect();
    let dfids: Vec<String> = keys.iter().map(|(_, dfid)| dfid.to_string()).collect();
    let rows = db.all(LOAD, bind![readers, dfids]).await?;
    rows.iter()
        .map(|row| {
            let item = read(row)?;
            Ok(((row.id("reader")?, item.dfid), item))
        })
        .collect()
}

/// Finds an item the workspace may read.
pub async fn find(db: &impl Read, reader: WorkspaceId, dfid: Dfid) -> Result<Option<Item>, StoreError> {
    Ok(load(db, &[(reader, dfid)]).await?.remove(&(reader, dfid)))
}

/// Finds an item of the workspace and keeps others from changing it until the unit of work ends.
pub async fn lock(db: &impl Read, owner: WorkspaceId, dfid: Dfid) -> Result<Option<Item>, StoreError> {
    db.optional(LOCK, bind![owner, dfid])
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// Locks several of the workspace's items, always in the same order.
pub async fn lock_many(db: &impl Read, owner: WorkspaceId, dfids: &[Dfid]) -> Result<Vec<Item>, StoreError> {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    db.all(LOCK_MANY, bind![owner, dfids])
        .await?
        .iter()
        .map(read)
        .collect()
}

/// An identifier that is known, and the item it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The item.
    pub dfid: Dfid,
    /// Whose it is.
    pub owner_id: WorkspaceId,
}

/// The step that reads what [`by_canonical`] tells.
#[must_use]
pub fn by_canonical_step(owner: WorkspaceId, keys: Vec<String>) -> Step {
    (BY_CANONICAL, bind![owner, keys])
}

/// The workspace's active items that carry one of these canonical identifiers.
pub async fn by_canonical(
    db: &impl Read,
    owner: WorkspaceId,
    keys: Vec<String>,
) -> Result<Vec<Known>, StoreError> {
    let rows = db.all(BY_CANONICAL, bind![owner, keys]).await?;
    rows.iter()
        .map(|row| {
            Ok(Known {
                dfid: row.word("dfid")?,
                owner_id: row.id("owner_id")?,
            })
        })
        .collect()
}

/// The item that an equal push of this workspace made: one in use, else one that was merged into another.
pub async fn by_fingerprint(
    db: &impl Read,
    owner: WorkspaceId,
    fingerprint: Fingerprint,
) -> Result<Option<Dfid>, StoreError> {
    db.optional(BY_FINGERPRINT, bind![owner, fingerprint])
        .await?
        .map(|row| row.word("dfid"))
        .transpose()
}

/// Whether an item of the workspace lies in another circuit too, or was shared or pulled.
pub async fn known_to_others(
    db: &impl Read,
    owner: WorkspaceId,
    dfid: Dfid,
    circuit: CircuitId,
) -> Result<bool, StoreError> {
    let found = db.optional(KNOWN_TO_OTHERS, bind![owner, dfid, circuit]).await?;
    Ok(found.is_some())
}
