//! Lists of items.

use db::{Read, statements};
use domain::{ids::WorkspaceId, item::ItemStatus, page::PageRequest};

use crate::{
    StoreError,
    bind::Columns,
    items::{Item, read},
};

statements! {
    LIST = "items.list", "
        select dfid, workspace_id, identifiers, aliases, data, status, redirect_to, confidence, sources, version, created_by, created_at, updated_at
          from items
         where workspace_id = $1 and dfid > $2 and (cast($3 as {text}) is null or status = $3)
         order by dfid
         limit $4 offset $5";
    LIST_GRANTED = "items.list_granted", "
        select i.dfid, i.workspace_id, i.identifiers, i.aliases, i.data, i.status, i.redirect_to, i.confidence, i.sources, i.version, i.created_by, i.created_at, i.updated_at
          from item_grants g join items i on i.dfid = g.dfid
         where g.workspace_id = $1 and g.dfid > $2 and (cast($3 as {text}) is null or i.status = $3)
         order by g.dfid
         limit $4 offset $5";
    COUNT = "items.count", "
        select count(*) as n
          from items
         where workspace_id = $1 and (cast($2 as {text}) is null or status = $2)";
    COUNT_GRANTED = "items.count_granted", "
        select count(*) as n
          from item_grants g join items i on i.dfid = g.dfid
         where g.workspace_id = $1 and (cast($2 as {text}) is null or i.status = $2)";
    SEARCH = "items.search", "
        select i.dfid, i.workspace_id, i.identifiers, i.aliases, i.data, i.status, i.redirect_to, i.confidence, i.sources, i.version, i.created_by, i.created_at, i.updated_at
          from items i
         where i.dfid in
               (select x.dfid
                  from item_identifiers x
                 where (x.workspace_id = $1
                        or exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = x.dfid))
                   and x.value = $2
                   and (cast($3 as {text}) is null or x.identifier = $3)
                   and x.dfid > $4)
         order by i.dfid
         limit $5 offset $6";
    COUNT_FOUND = "items.count_found", "
        select count(distinct x.dfid) as n
          from item_identifiers x
         where (x.workspace_id = $1
                or exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = x.dfid))
           and x.value = $2
           and (cast($3 as {text}) is null or x.identifier = $3)";
}

/// Lists items by DFID, one row more than the page shows: the workspace's own, or those granted to it.
pub async fn list(
    db: &impl Read,
    workspace: WorkspaceId,
    granted: bool,
    status: Option<ItemStatus>,
    page: &PageRequest,
) -> Result<Vec<Item>, StoreError> {
    let after = page.after.as_ref().map_or("", |cursor| cursor.id.as_str());
    let args = bind![
        workspace,
        after,
        status.map(ItemStatus::as_str),
        page.rows(),
        page.offset
    ];
    db.all(if granted { LIST_GRANTED } else { LIST }, args)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// Counts them.
pub async fn count(
    db: &impl Read,
    workspace: WorkspaceId,
    granted: bool,
    status: Option<ItemStatus>,
) -> Result<u64, StoreError> {
    let args = bind![workspace, status.map(ItemStatus::as_str)];
    db.one(if granted { COUNT_GRANTED } else { COUNT }, args)
        .await?
        .version("n")
}

/// Items that carry an identifier with this value (and, if given, exactly this key), by DFID.
pub async fn search(
    db: &impl Read,
    reader: WorkspaceId,
    value: &str,
    identifier: Option<&str>,
    page: &PageRequest,
) -> Result<Vec<Item>, StoreError> {
    let after = page.after.as_ref().map_or("", |cursor| cursor.id.as_str());
    let args = bind![reader, value, identifier, after, page.rows(), page.offset];
    db.all(SEARCH, args).await?.iter().map(read).collect()
}

/// Counts them.
pub async fn count_found(
    db: &impl Read,
    reader: WorkspaceId,
    value: &str,
    identifier: Option<&str>,
) -> Result<u64, StoreError> {
    db.one(COUNT_FOUND, bind![reader, value, identifier])
        .await?
        .version("n")
}
