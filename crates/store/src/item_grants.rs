//! Who may read items of others.

use db::statements;
use domain::{
    dfid::Dfid,
    ids::{CircuitId, Timestamp, UserId, WorkspaceId},
};

use crate::Step;

statements! {
    INSERT = "item_grants.insert", "
        insert into item_grants (workspace_id, dfid, owner_id, source, circuit_id, granted_by, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (workspace_id, dfid) do nothing";
    COPY = "item_grants.copy", "
        insert into item_grants (workspace_id, dfid, owner_id, source, circuit_id, granted_by, created_at)
        select g.workspace_id, $3, g.owner_id, g.source, g.circuit_id, g.granted_by, g.created_at
          from item_grants g join items i on i.dfid = g.dfid
         where i.workspace_id = $1 and g.dfid = $2
        on conflict (workspace_id, dfid) do nothing";
}

/// The step that lets another workspace read an item from now on. Granting twice is harmless.
#[must_use]
pub fn insert(
    reader: WorkspaceId,
    dfid: Dfid,
    owner: WorkspaceId,
    source: &str,
    circuit: Option<CircuitId>,
    by: UserId,
    now: Timestamp,
) -> Step {
    (INSERT, bind![reader, dfid, owner, source, circuit, by, now])
}

/// The step that lets whoever may read an item read another one of its owner too, which it was merged into.
#[must_use]
pub fn copy(owner: WorkspaceId, from: Dfid, to: Dfid) -> Step {
    (COPY, bind![owner, from, to])
}
