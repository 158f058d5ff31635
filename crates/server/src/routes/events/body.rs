//! The bodies of requests about events.

use app::events::NewEvent;
use domain::{
    dfid::Dfid,
    event::Visibility,
    ids::{CircuitId, Timestamp, WorkspaceId},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventBody {
    /// 1 to 64 letters, digits, `_`, `.`, `:` or `-`.
    #[serde(alias = "type")]
    #[schema(max_length = 64)]
    event_type: String,
    /// What recorded it; `api` when absent.
    #[schema(max_length = 128)]
    source: Option<String>,
    /// The item it is about.
    #[schema(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// The items it is about, if they are several; it stays one event and is found by each of them.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    dfids: Vec<Dfid>,
    /// The circuit it happened in.
    #[schema(value_type = Option<String>, format = "uuid")]
    circuit_id: Option<CircuitId>,
    /// The workspace's default when absent.
    #[schema(value_type = Option<VisibilityWord>)]
    visibility: Option<Visibility>,
    /// Now when absent.
    #[serde(alias = "timestamp")]
    #[schema(value_type = Option<String>, format = "date-time")]
    occurred_at: Option<Timestamp>,
    #[serde(alias = "metadata")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// Kept as `data.description`.
    description: Option<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    tags: Vec<String>,
    /// A user of the sender's system.
    #[schema(max_length = 128)]
    user_id: Option<String>,
    /// A project of the sender's.
    #[schema(max_length = 128)]
    project_id: Option<String>,
    /// The workspaces a direct event is addressed to.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    recipients: Vec<WorkspaceId>,
    /// The sender's own id: the same one sent twice stays one.
    #[schema(max_length = 128)]
    client_event_id: Option<String>,
}

/// Who may see an event.
#[derive(ToSchema)]
#[schema(as = Visibility, rename_all = "snake_case")]
#[allow(dead_code, reason = "a schema is a description: its variants are never made")]
pub(super) enum VisibilityWord {
    Public,
    Circuit,
    Direct,
    Private,
}

impl EventBody {
    pub(super) fn into_event(self) -> NewEvent {
        NewEvent {
            event_type: self.event_type,
            source: self.source,
            dfid: self.dfid,
            dfids: self.dfids,
            circuit_id: self.circuit_id,
            visibility: self.visibility,
            occurred_at: self.occurred_at,
            data: describe(self.data, self.description),
            tags: self.tags,
            user_ref: self.user_id,
            project: self.project_id,
            recipients: self.recipients,
            client_event_id: self.client_event_id,
        }
    }
}

/// Puts the description of older clients into the data, unless the data has its own.
fn describe(data: Option<Value>, description: Option<String>) -> Option<Value> {
    let Some(description) = description else {
        return data;
    };
    let mut data = data.unwrap_or_else(|| Value::Object(Map::new()));
    if let Value::Object(members) = &mut data {
        members.entry("description").or_insert(Value::String(description));
    }
    Some(data)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkBody {
    #[schema(min_items = 1, max_items = 1000)]
    pub(super) events: Vec<EventBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// The new tags; as before when absent.
    pub(super) tags: Option<Vec<String>>,
    /// The new data; as before when absent.
    #[serde(alias = "metadata")]
    #[schema(value_type = Option<Object>)]
    pub(super) data: Option<Value>,
}
