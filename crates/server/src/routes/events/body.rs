//! The bodies of requests about events.

use app::events::NewEvent;
use domain::{
    dfid::Dfid,
    event::Visibility,
    ids::{CircuitId, Timestamp, WorkspaceId},
    problem::FieldError,
    unique,
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
    #[serde(alias = "metadata", default, deserialize_with = "unique::value")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// Kept as `data.description`; must be the same if both are given.
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
    /// The event; `place` is what stands before the names of its fields, such as `events[2].`.
    pub(super) fn into_event(self, place: &str) -> Result<NewEvent, FieldError> {
        Ok(NewEvent {
            event_type: self.event_type,
            source: self.source,
            dfid: self.dfid,
            dfids: self.dfids,
            circuit_id: self.circuit_id,
            visibility: self.visibility,
            occurred_at: self.occurred_at,
            data: describe(self.data, self.description, place)?,
            tags: self.tags,
            user_ref: self.user_id,
            project: self.project_id,
            recipients: self.recipients,
            client_event_id: self.client_event_id,
        })
    }
}

/// Puts the description of older clients into the data, which may say the same itself.
fn describe(
    data: Option<Value>,
    description: Option<String>,
    place: &str,
) -> Result<Option<Value>, FieldError> {
    let Some(description) = description else {
        return Ok(data);
    };
    let mut data = data.unwrap_or_else(|| Value::Object(Map::new()));
    if let Value::Object(members) = &mut data {
        let kept = members
            .entry("description")
            .or_insert_with(|| description.as_str().into());
        if kept.as_str() != Some(&*description) {
            let message = "is kept as `data.description`, which says something else: send one of them";
            return Err(FieldError::new(
                format!("{place}description"),
                "contradiction",
                message,
            ));
        }
    }
    Ok(Some(data))
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
    #[serde(alias = "metadata", default, deserialize_with = "unique::value")]
    #[schema(value_type = Option<Object>)]
    pub(super) data: Option<Value>,
}
