//! Which of these things a caller may see, said once more and apart from the statements that read them: what the
//! outgoing guard asks. Each text names the workspace, or the user whose own it is, and every way to a right.

use std::collections::HashSet;

use db::{Read, Sql, Value, statements};
use domain::ids::{UserId, WorkspaceId};
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
    // Of its own items, and of those it was let read.
    CHANGES = "rights.changes", "
        select cast(h.id as {text}) as id
          from item_history h
         where h.id {any:$2}
           and (h.workspace_id = $1
                or exists (select 1 from item_grants g where g.workspace_id = $1 and g.dfid = h.dfid))";
    // Of its own members, and in the circuits it takes part in.
    ACTIVITIES = "rights.activities", "
        select cast(a.id as {text}) as id
          from activities a
         where a.id {any:$2}
           and (a.workspace_id = $1
                or exists (select 1 from circuit_workspaces w where w.circuit_id = a.circuit_id and w.workspace_id = $1))";
    CIRCUIT_MEMBERS = "rights.circuit_members", "
        select cast(m.user_id as {text}) as id
          from circuit_members m join circuit_workspaces w on w.circuit_id = m.circuit_id
         where w.workspace_id = $1 and m.user_id {any:$2}";
    CIRCUIT_ROLES = "rights.circuit_roles", "
        select r.name as id
          from circuit_roles r join circuit_workspaces w on w.circuit_id = r.circuit_id
         where w.workspace_id = $1 and r.name {any:$2}";
    // The user's own, in whatever workspace, and those of the circuits the workspace takes part in.
    INVITATIONS = "rights.invitations", "
        select cast(i.id as {text}) as id
          from circuit_invitations i
         where i.id {any:$2}
           and (i.invited_user_id = $3
                or exists (select 1 from circuit_workspaces w where w.circuit_id = i.circuit_id and w.workspace_id = $1))";
    JOIN_REQUESTS = "rights.join_requests", "
        select cast(r.id as {text}) as id
          from circuit_join_requests r
         where r.id {any:$2}
           and (r.user_id = $3
                or exists (select 1 from circuit_workspaces w where w.circuit_id = r.circuit_id and w.workspace_id = $1))";
    MEMBERS = "rights.members", "
        select cast(user_id as {text}) as id from members where workspace_id = $1 and user_id {any:$2}";
    MOVEMENTS = "rights.movements", "
        select cast(movement_id as {text}) as id from credit_entries where workspace_id = $1 and movement_id {any:$2}";
    SESSIONS = "rights.sessions", "
        select cast(id as {text}) as id from sessions where user_id = $1 and id {any:$2}";
    WORKSPACES = "rights.workspaces", "
        select cast(workspace_id as {text}) as id from members where user_id = $1 and workspace_id {any:$2}";
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
    /// An entry of an item's history.
    Change,
    /// Something a member did.
    Activity,
    /// A member of a circuit, by the user.
    CircuitMember,
    /// A role of a circuit, by its name: it has no id. One of the same name in a circuit of one's own hides it.
    CircuitRole,
    /// An invitation into a circuit.
    Invitation,
    /// A request to join a circuit.
    JoinRequest,
    /// A member of the workspace, by the user.
    Member,
    /// A movement of credits.
    Movement,
    /// A session of the user's.
    Session,
    /// A workspace the user is a member of.
    Workspace,
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
            Self::Change => CHANGES,
            Self::Activity => ACTIVITIES,
            Self::CircuitMember => CIRCUIT_MEMBERS,
            Self::CircuitRole => CIRCUIT_ROLES,
            Self::Invitation => INVITATIONS,
            Self::JoinRequest => JOIN_REQUESTS,
            Self::Member => MEMBERS,
            Self::Movement => MOVEMENTS,
            Self::Session => SESSIONS,
            Self::Workspace => WORKSPACES,
        }
    }

    /// The ids as the engine compares them; one that is none of this kind's is nothing anybody has.
    fn ids(self, ids: &[String]) -> Value {
        match self {
            Self::LocalItem | Self::Item | Self::CircuitRole => Value::from(ids.to_vec()),
            _ => Value::from(ids.iter().filter_map(|id| id.parse().ok()).collect::<Vec<Uuid>>()),
        }
    }

    /// Who asks, as the statement names it, and for what.
    fn arguments(self, workspace: WorkspaceId, user: UserId, ids: &[String]) -> Vec<Value> {
        let (workspace, user) = (Value::Uuid(workspace.uuid()), Value::Uuid(user.uuid()));
        match self {
            Self::Session | Self::Workspace => vec![user, self.ids(ids)],
            Self::Invitation | Self::JoinRequest => vec![workspace, self.ids(ids), user],
            _ => vec![workspace, self.ids(ids)],
        }
    }
}

/// Those of the ids that stand for something the user may see in the workspace.
pub async fn readable(
    db: &impl Read,
    workspace: WorkspaceId,
    user: UserId,
    entity: Entity,
    ids: &[String],
) -> Result<HashSet<String>, StoreError> {
    let args = entity.arguments(workspace, user, ids);
    let rows = db.all(entity.statement(), args).await?;
    rows.iter().map(|row| row.get("id")).collect()
}
