//! What members did: lists and statistics. Rows are added by [`crate::records`].

use db::{Read, Row, statements};
use domain::{
    ids::{ActivityId, CircuitId, Timestamp, UserId, WorkspaceId},
    page::PageRequest,
};
use serde_json::Value;

use crate::{Step, StoreError, bind::Columns};

/// What the list of a workspace and its count are narrowed to: `$1` to `$5`.
macro_rules! of_workspace {
    () => {
        " from activities
         where workspace_id = $1
           and (cast($2 as {uuid}) is null or actor_id = $2)
           and (cast($3 as {text}) is null or action = $3)
           and (cast($4 as {timestamp}) is null or created_at >= $4)
           and (cast($5 as {timestamp}) is null or created_at < $5)"
    };
}

/// The same for a circuit: `$1` to `$6`.
macro_rules! of_circuit {
    () => {
        " from activities a
         where a.circuit_id = $2
           and exists (select 1 from circuit_workspaces w where w.circuit_id = $2 and w.workspace_id = $1)
           and (cast($3 as {uuid}) is null or a.actor_id = $3)
           and (cast($4 as {text}) is null or a.action = $4)
           and (cast($5 as {timestamp}) is null or a.created_at >= $5)
           and (cast($6 as {timestamp}) is null or a.created_at < $6)"
    };
}

statements! {
    OF_USER = "activities.of_user", concat!("
        select id, circuit_id, actor_id, action, target, details, created_at", of_workspace!(), "
           and (cast($6 as {uuid}) is null or id < $6)
         order by id desc
         limit $7 offset $8");
    COUNT_OF_WORKSPACE = "activities.count_of_workspace", concat!("select count(*) as n", of_workspace!());
    OF_CIRCUIT = "activities.of_circuit", concat!("
        select a.id, a.circuit_id, a.actor_id, a.action, a.target, a.details, a.created_at", of_circuit!(), "
           and (cast($7 as {uuid}) is null or a.id < $7)
         order by a.id desc
         limit $8 offset $9");
    COUNT_OF_CIRCUIT = "activities.count_of_circuit", concat!("select count(*) as n", of_circuit!());
    STATS = "activities.stats", "
        select action, count(*) as n, max(created_at) as last_at
          from activities
         where workspace_id = $1 and created_at >= $2
         group by action
         order by action
         limit 1000";
    STATS_OF_CIRCUIT = "activities.stats_of_circuit", "
        select action, count(*) as n, max(created_at) as last_at
          from activities
         where circuit_id = $2 and created_at >= $3
           and exists (select 1 from circuit_workspaces w where w.circuit_id = $2 and w.workspace_id = $1)
         group by action
         order by action
         limit 1000";
    // Ids rise with time: if the oldest of them are not old, none is, and a look costs no more than a batch.
    PURGE = "activities.purge", "
        delete from activities
         where workspace_id = $1 and created_at < $2
           and id <= (select x.id
                        from (select a.id from activities a where a.workspace_id = $1 order by a.id limit $3) x
                       order by x.id desc
                       limit 1)";
    TAKES_PART = "activities.takes_part", "
        select circuit_id from circuit_workspaces where workspace_id = $1 and circuit_id = $2";
}

/// Something a member did.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Its id.
    pub id: ActivityId,
    /// The circuit it happened in.
    pub circuit_id: Option<CircuitId>,
    /// Who did it.
    pub actor_id: UserId,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// More about it.
    pub details: Value,
    /// When.
    pub created_at: Timestamp,
}

/// What a list of activities is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct ActivityFilter {
    /// Who did it.
    pub actor: Option<UserId>,
    /// What was done.
    pub action: Option<String>,
    /// From when.
    pub from: Option<Timestamp>,
    /// Before when.
    pub to: Option<Timestamp>,
}

impl ActivityFilter {
    fn arguments(&self) -> Vec<db::Value> {
        bind![self.actor, self.action.as_ref(), self.from, self.to]
    }
}

/// How often something was done.
#[derive(Clone, Debug)]
pub struct ActionCount {
    /// What was done.
    pub action: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

fn read(row: &Row) -> Result<Activity, StoreError> {
    Ok(Activity {
        id: row.id("id")?,
        circuit_id: row.maybe_id("circuit_id")?,
        actor_id: row.id("actor_id")?,
        action: row.text("action")?,
        target: row.text("target")?,
        details: row.document("details")?,
        created_at: row.time("created_at")?,
    })
}

fn read_count(row: &Row) -> Result<ActionCount, StoreError> {
    Ok(ActionCount {
        action: row.text("action")?,
        count: row.version("n")?,
        last_at: row.time("last_at")?,
    })
}

/// What members of the workspace did, newest first, one row more than the page shows.
pub async fn of_workspace(
    db: &impl Read,
    workspace: WorkspaceId,
    filter: &ActivityFilter,
    after: Option<ActivityId>,
    page: &PageRequest,
) -> Result<Vec<Activity>, StoreError> {
    let mut args = bind![workspace];
    args.extend(filter.arguments());
    args.extend(bind![after, page.rows(), page.offset]);
    db.all(OF_USER, args).await?.iter().map(read).collect()
}

/// Counts what members of the workspace did.
pub async fn count_of_workspace(
    db: &impl Read,
    workspace: WorkspaceId,
    filter: &ActivityFilter,
) -> Result<u64, StoreError> {
    let mut args = bind![workspace];
    args.extend(filter.arguments());
    db.one(COUNT_OF_WORKSPACE, args).await?.version("n")
}

/// What was done in a circuit that the workspace takes part in, newest first, one row more than the page shows.
pub async fn of_circuit(
    db: &impl Read,
    workspace: WorkspaceId,
    circuit: CircuitId,
    filter: &ActivityFilter,
    after: Option<ActivityId>,
    page: &PageRequest,
) -> Result<Vec<Activity>, StoreError> {
    let mut args = bind![workspace, circuit];
    args.extend(filter.arguments());
    args.extend(bind![after, page.rows(), page.offset]);
    db.all(OF_CIRCUIT, args).await?.iter().map(read).collect()
}

/// Counts what was done in a circuit that the workspace takes part in.
pub async fn count_of_circuit(
    db: &impl Read,
    workspace: WorkspaceId,
    circuit: CircuitId,
    filter: &ActivityFilter,
) -> Result<u64, StoreError> {
    let mut args = bind![workspace, circuit];
    args.extend(filter.arguments());
    db.one(COUNT_OF_CIRCUIT, args).await?.version("n")
}

/// Whether the workspace takes part in the circuit.
pub async fn takes_part(
    db: &impl Read,
    workspace: WorkspaceId,
    circuit: CircuitId,
) -> Result<bool, StoreError> {
    Ok(db
        .optional(TAKES_PART, bind![workspace, circuit])
        .await?
        .is_some())
}

/// Counts activities by action since a moment, in the workspace or in one of its circuits.
pub async fn stats(
    db: &impl Read,
    workspace: WorkspaceId,
    circuit: Option<CircuitId>,
    since: Timestamp,
) -> Result<Vec<ActionCount>, StoreError> {
    let rows = match circuit {
        Some(circuit) => db.all(STATS_OF_CIRCUIT, bind![workspace, circuit, since]).await?,
        None => db.all(STATS, bind![workspace, since]).await?,
    };
    rows.iter().map(read_count).collect()
}

/// The step that removes what members of the workspace did before a moment, at most `limit`, the oldest first.
#[must_use]
pub fn purge(workspace: WorkspaceId, before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![workspace, before, limit])
}
