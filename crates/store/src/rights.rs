//! Which of these things a workspace may see, said once more and apart from the statements that read them: what the
//! outgoing guard asks. Each text names the workspace and every way to a right.

use std::collections::HashSet;

use db::{Read, Sql, Value, statements};
use domain::ids::WorkspaceId;
use uuid::Uuid;

use crate::StoreError;

statements! {
    LOCAL_ITEMS = "rights.local_items", "
        select local_id as id from local_items where workspace_id = $1 and local_id {any:$2}";
    // Owned, shared or pulled, or in a circuit the workspace takes part in.
    ITEMS = "rights.items", "
        select i.dfid as id
          from items i
         where i.dfid {any:$2}
           and (i.workspace_id = $1
                or exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = i.dfid)
                or exists (select 1
                             from circuit_items c join circuit_workspaces w on w.circuit_id = c.circuit_id
                            where c.dfid = i.dfid and w.workspace_id = $1))";
    // Its own, and those of others about an item it has a right to.
    EVENTS = "rights.events", "
        select cast(e.id as {text}) as id
          from events e
         where e.workspace_id = $1 and e.id {any:$2}
        union
        select cast(e.id as {text}) as id
          from events e
         where e.dfid is not null and e.id {any:$2} and e.visibility <> 'private'
           and (exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = e.dfid)
                or exists (select 1 from items i where i.workspace_id = $1 and i.dfid = e.dfid))
        union
        select cast(e.id as {text}) as id
          from event_items n join events e on e.workspace_id = n.workspace_id and e.id = n.event_id
         where e.id {any:$2} and e.visibility <> 'private'
           and (exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = n.dfid)
                or exists (select 1 from items i where i.workspace_id = $1 and i.dfid = n.dfid))";
    CIRCUITS = "rights.circuits", "
        select cast(c.id as {text}) as id
          from circuits c
         where c.id {any:$2}
           and (c.workspace_id = $1
                or exists (select 1 from circuit_workspaces w where w.circuit_id = c.id and w.workspace_id = $1))";
    OPERATIONS = "rights.operations", "
        select cast(o.id as {text}) as id
          from operations o
         where o.id {any:$2}
           and (o.workspace_id = $1
                or exists (select 1 from circuit_workspaces w where w.circuit_id = o.circuit_id and w.workspace_id = $1))";
    PENDING_ITEMS = "rights.pending_items", "
        select cast(id as {text}) as id from pending_items where workspace_id = $1 and id {any:$2}";
    JOBS = "rights.jobs", "
        select cast(id as {text}) as id from jobs where workspace_id = $1 and id {any:$2}";
    AUDIT_RECORDS = "rights.audit_records", "
        select cast(id as {text}) as id from audit_records where workspace_id = $1 and id {any:$2}";
    INCIDENTS = "rights.incidents", "
        select cast(id as {text}) as id from incidents where workspace_id = $1 and id {any:$2}";
    API_KEYS = "rights.api_keys", "
        select cast(id as {text}) as id from api_keys where workspace_id = $1 and id {any:$2}";
}

/// A kind of thing that belongs to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A local item, by its name within its workspace.
    LocalItem,
    /// An item, by its DFID.
    Item,
    /// An event.
    Event,
    /// A circuit.
    Circuit,
    /// An operation of a circuit.
    Operation,
    /// A pending item.
    PendingItem,
    /// A job.
    Job,
    /// An entry of the audit trail.
    AuditRecord,
    /// An incident.
    Incident,
    /// An API key.
    ApiKey,
}

impl Entity {
    fn statement(self) -> &'static Sql {
        match self {
            Self::LocalItem => LOCAL_ITEMS,
            Self::Item => ITEMS,
            Self::Event => EVENTS,
            Self::Circuit => CIRCUITS,
            Self::Operation => OPERATIONS,
            Self::PendingItem => PENDING_ITEMS,
            Self::Job => JOBS,
            Self::AuditRecord => AUDIT_RECORDS,
            Self::Incident => INCIDENTS,
            Self::ApiKey => API_KEYS,
        }
    }

    /// The ids as the engine compares them; one that is none of this kind's is nothing anybody has.
    fn ids(self, ids: &[String]) -> Value {
        match self {
            Self::LocalItem | Self::Item => Value::from(ids.to_vec()),
            _ => Value::from(ids.iter().filter_map(|id| id.parse().ok()).collect::<Vec<Uuid>>()),
        }
    }
}

/// Those of the ids that stand for something the workspace may see.
pub async fn readable(
    db: &impl Read,
    workspace: WorkspaceId,
    entity: Entity,
    ids: &[String],
) -> Result<HashSet<String>, StoreError> {
    let args = vec![Value::Uuid(workspace.uuid()), entity.ids(ids)];
    let rows = db.all(entity.statement(), args).await?;
    rows.iter().map(|row| row.get("id")).collect()
}
