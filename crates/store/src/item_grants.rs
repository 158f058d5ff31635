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
    // The aliases are the items that were merged into this one; of these, the owner's. `is true` keeps PostgreSQL from
    // reading all of the owner's items in place of looking each alias up.
    INSERT_MERGED = "item_grants.insert_merged",
        sqlite: "
        insert into item_grants (workspace_id, dfid, owner_id, source, circuit_id, granted_by, created_at)
        select g.workspace_id, m.dfid, g.owner_id, g.source, g.circuit_id, g.granted_by, g.created_at
          from item_grants g
          join items i on i.dfid = g.dfid
          join json_each(i.aliases) a
          join items m on m.dfid = a.value
         where g.workspace_id = $1 and g.dfid = $2 and i.workspace_id = $3 and m.workspace_id = $3
        on conflict (workspace_id, dfid) do nothing",
        postgres: "
        insert into item_grants (workspace_id, dfid, owner_id, source, circuit_id, granted_by, created_at)
        select g.workspace_id, m.dfid, g.owner_id, g.source, g.circuit_id, g.granted_by, g.created_at
          from item_grants g
          join items i on i.dfid = g.dfid
          cross join lateral jsonb_array_elements_text(cast(i.aliases as jsonb)) as a (dfid)
          join items m on m.dfid = a.dfid
         where g.workspace_id = $1 and g.dfid = $2 and i.workspace_id = $3 and (m.workspace_id = $3) is true
        on conflict (workspace_id, dfid) do nothing";
    JOIN = "item_grants.join", "
        insert into item_grants (workspace_id, dfid, owner_id, source, circuit_id, granted_by, created_at)
        select g.workspace_id, m.dfid, g.owner_id, g.source, g.circuit_id, g.granted_by, g.created_at
          from item_grants g
         cross join items m
         where g.owner_id = $1 and g.dfid {any:$2} and m.workspace_id = $1 and m.dfid {any:$2}
        on conflict (workspace_id, dfid) do nothing";
}

/// The steps that let another workspace read an item from now on, and those that were merged into it. Granting twice is
/// harmless.
#[must_use]
pub fn insert(
    reader: WorkspaceId,
    dfid: Dfid,
    owner: WorkspaceId,
    source: &str,
    circuit: Option<CircuitId>,
    by: UserId,
    now: Timestamp,
) -> [Step; 2] {
    [
        (INSERT, bind![reader, dfid, owner, source, circuit, by, now]),
        (INSERT_MERGED, bind![reader, dfid, owner]),
    ]
}

/// The step by which whoever may read one of these items of an owner may read all of them: they are one by now.
#[must_use]
pub fn join(owner: WorkspaceId, dfids: &[Dfid]) -> Step {
    let dfids: Vec<_> = dfids.iter().map(ToString::to_string).collect();
    (JOIN, bind![owner, dfids])
}
