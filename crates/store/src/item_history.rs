//! What happened to items.

use db::{JsonText, Read, statements};
use domain::{
    dfid::Dfid,
    ids::{Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};
use uuid::Uuid;

use crate::{Step, StoreError, bind::Columns};

/// One change of an item.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its id.
    pub id: Uuid,
    /// The version it made.
    pub version: u64,
    /// What was done.
    pub action: String,
    /// Who did it.
    pub actor_id: UserId,
    /// What changed.
    pub changes: JsonText,
    /// When.
    pub created_at: Timestamp,
}

statements! {
    INSERT = "item_history.insert", "
        insert into item_history (workspace_id, id, dfid, version, action, actor_id, changes, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    LIST = "item_history.list", "
        select h.id, h.version, h.action, h.actor_id, h.changes, h.created_at
          from item_history h
         where h.dfid = $2
           and (h.workspace_id = $1
                or exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = h.dfid))
           and h.id > $3
         order by h.id
         limit $4 offset $5";
    COUNT = "item_history.count", "
        select count(*) as n
          from item_history h
         where h.dfid = $2
           and (h.workspace_id = $1
                or exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = h.dfid))";
}

/// Who changed what: one entry of an item's history.
#[derive(Debug)]
pub struct NewChange<'a> {
    /// The item's owner.
    pub workspace: WorkspaceId,
    /// The entry's id.
    pub id: Uuid,
    /// The item.
    pub dfid: Dfid,
    /// The version the change made.
    pub version: u64,
    /// What was done.
    pub action: &'a str,
    /// Who did it.
    pub actor: UserId,
    /// What changed.
    pub changes: JsonText,
}

/// The step that records a change.
#[must_use]
pub fn insert(new: NewChange<'_>, now: Timestamp) -> Step {
    let version = i64::try_from(new.version).unwrap_or(i64::MAX);
    (
        INSERT,
        bind![
            new.workspace,
            new.id,
            new.dfid,
            version,
            new.action,
            new.actor,
            new.changes,
            now
        ],
    )
}

/// An item's changes, oldest first, after the entry `after`, one more than the page shows.
pub async fn list(
    db: &impl Read,
    reader: WorkspaceId,
    dfid: Dfid,
    after: Uuid,
    page: &PageRequest,
) -> Result<Vec<Change>, StoreError> {
    let args = bind![reader, dfid, after, page.rows(), page.offset];
    let rows = db.all(LIST, args).await?;
    rows.iter()
        .map(|row| {
            Ok(Change {
                id: row.get("id")?,
                version: row.version("version")?,
                action: row.text("action")?,
                actor_id: row.id("actor_id")?,
                changes: row.get("changes")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
}

/// Counts an item's changes.
pub async fn count(db: &impl Read, reader: WorkspaceId, dfid: Dfid) -> Result<u64, StoreError> {
    db.one(COUNT, bind![reader, dfid]).await?.version("n")
}
