//! Events of local items: they wait here until their item has a DFID, then become events of it ([`crate::events`]).

use db::{Read, statements};
use domain::ids::{EventId, Timestamp, UserId, WorkspaceId};
use serde_json::{Map, Value};

use crate::{
    Step, StoreError,
    bind::{Columns, json},
};

statements! {
    INSERT = "local_events.insert", "
        insert into local_events (workspace_id, id, local_id, body, created_by, created_at)
        select $1, $2, $3, $4, $5, $6 from local_items where workspace_id = $1 and local_id = $3";
    WAITING = "local_events.waiting", "
        select id, body, created_by, created_at
          from local_events
         where workspace_id = $1 and local_id = $2 and moved_to is null
         order by id
         limit $3
        {for_update}";
    MOVED = "local_events.moved", "
        update local_events set moved_to = $3, body = $4
         where workspace_id = $1 and id = $2 and moved_to is null";
}

/// An event of a local item that waits for the item's DFID.
#[derive(Clone, Debug)]
pub struct LocalEvent {
    /// Its id.
    pub id: EventId,
    /// Its content, as the use case wrote it.
    pub body: Value,
    /// Who recorded it.
    pub created_by: UserId,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// The step that keeps an event of a local item; it affects no row if the workspace has no such item.
#[must_use]
pub fn insert(workspace: WorkspaceId, local_id: &str, event: &LocalEvent) -> Step {
    let args = bind![
        workspace,
        event.id,
        local_id,
        json(&event.body),
        event.created_by,
        event.created_at
    ];
    (INSERT, args)
}

/// Locks the local item's events that have not moved yet, at most `limit`, oldest first.
pub async fn lock_waiting(
    db: &impl Read,
    workspace: WorkspaceId,
    local_id: &str,
    limit: u32,
) -> Result<Vec<LocalEvent>, StoreError> {
    let rows = db.all(WAITING, bind![workspace, local_id, limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(LocalEvent {
                id: row.id("id")?,
                body: row.document("body")?,
                created_by: row.id("created_by")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
}

/// The step that notes which event a local one became; its content is only kept there.
#[must_use]
pub fn moved(workspace: WorkspaceId, id: EventId, to: EventId) -> Step {
    (MOVED, bind![workspace, id, to, json(&Map::new())])
}
