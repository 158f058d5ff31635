//! Events: what happened to items and in a workspace.

use db::{JsonText, statements};
use domain::{
    dfid::Dfid,
    event::Visibility,
    ids::{CircuitId, EventId, Timestamp, UserId, WorkspaceId},
};
use uuid::Uuid;

use crate::Step;

statements! {
    INSERT = "events.insert", "
        insert into events (workspace_id, id, event_type, source, dfid, circuit_id, visibility, occurred_at, recorded_at, created_by, user_ref, project, data, sealed, tags, client_event_id, leaf_id, version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1)";
}

/// What is needed to add an event.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: &'a str,
    /// What recorded it.
    pub source: &'a str,
    /// The item it is about.
    pub dfid: Option<Dfid>,
    /// The circuit it happened in.
    pub circuit: Option<CircuitId>,
    /// Who may see it.
    pub visibility: Visibility,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who recorded it.
    pub by: UserId,
    /// A user of the sender's system.
    pub user_ref: Option<&'a str>,
    /// A project of the sender's.
    pub project: Option<&'a str>,
    /// The payload; none when it is sealed.
    pub data: Option<JsonText>,
    /// The sealed payload of a private event.
    pub sealed: Option<Vec<u8>>,
    /// Its tags, a JSON array.
    pub tags: JsonText,
    /// The sender's own id.
    pub client_event_id: Option<&'a str>,
    /// Its leaf.
    pub leaf: Uuid,
}

/// The step that adds it. The same `client_event_id` again is `StoreError::Unique`.
#[must_use]
pub fn insert(new: NewEvent<'_>, now: Timestamp) -> Step {
    let args = bind![
        new.workspace,
        new.id,
        new.event_type,
        new.source,
        new.dfid,
        new.circuit,
        new.visibility.as_str(),
        new.occurred_at,
        now,
        new.by,
        new.user_ref,
        new.project,
        new.data,
        new.sealed,
        new.tags,
        new.client_event_id,
        new.leaf,
    ];
    (INSERT, args)
}
