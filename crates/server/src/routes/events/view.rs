//! Events as their readers see them.

use domain::{
    dfid::Dfid,
    event::Visibility,
    ids::{CircuitId, EventId, Timestamp, UserId, WorkspaceId},
};
use serde::Serialize;
use serde_json::{Map, Value};
use store::events::Event;
use utoipa::ToSchema;

use super::body::VisibilityWord;

#[derive(Serialize, ToSchema)]
pub(super) struct EventView {
    #[schema(value_type = String, format = "uuid")]
    id: EventId,
    event_type: String,
    source: String,
    #[schema(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// All items it is about; of another workspace's event, the one it is seen through.
    #[schema(value_type = Vec<String>)]
    dfids: Vec<Dfid>,
    #[schema(value_type = Option<String>, format = "uuid")]
    circuit_id: Option<CircuitId>,
    #[schema(value_type = VisibilityWord)]
    visibility: Visibility,
    #[schema(value_type = String, format = "date-time")]
    occurred_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    recorded_at: Timestamp,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    #[schema(value_type = String, format = "uuid")]
    created_by: UserId,
    user_id: Option<String>,
    project_id: Option<String>,
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    tags: Vec<String>,
    #[schema(value_type = Vec<String>)]
    recipients: Vec<WorkspaceId>,
    client_event_id: Option<String>,
    version: u64,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self {
            dfids: event.all_items().to_vec(),
            id: event.id,
            event_type: event.event_type,
            source: event.source,
            dfid: event.dfid,
            circuit_id: event.circuit_id,
            visibility: event.visibility,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            workspace_id: event.workspace_id,
            created_by: event.created_by,
            user_id: event.user_ref,
            project_id: event.project,
            data: event.data.unwrap_or_default(),
            tags: event.tags,
            recipients: event.recipients,
            client_event_id: event.client_event_id,
            version: event.version,
        }
    }
}

/// An event as this caller may see it: to whom else it is addressed is its owner's business.
pub(super) fn shown(event: Event, caller: WorkspaceId) -> EventView {
    let mut view = EventView::from(event);
    if view.workspace_id != caller {
        view.recipients.retain(|recipient| *recipient == caller);
        view.client_event_id = None;
    }
    view
}
