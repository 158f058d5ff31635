//! From what the caller said to an event that keeps every rule.

use domain::{
    dfid::Dfid,
    event::{self, EventType, Visibility},
    ids::{CircuitId, EventId, Timestamp, WorkspaceId},
    problem::FieldError,
};
use serde_json::{Map, Value};
use store::{activities, events::Event};
use uuid::Uuid;

use super::{Commitment, NewEvent, Recorded};
use crate::{App, AppError, Ctx, Result};

/// Longest id or name of the sender's own, in characters.
const MAX_REFERENCE: usize = 128;
/// Most workspaces a direct event is addressed to.
const MAX_RECIPIENTS: usize = 100;
/// What recorded an event that names nothing.
const DEFAULT_SOURCE: &str = "api";

/// An event that keeps the rules.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) event_type: EventType,
    pub(super) source: String,
    pub(super) dfid: Option<Dfid>,
    /// All of them if they are several, `dfid` first; else empty.
    pub(super) dfids: Vec<Dfid>,
    pub(super) circuit_id: Option<CircuitId>,
    pub(super) visibility: Visibility,
    pub(super) occurred_at: Timestamp,
    pub(super) data: Map<String, Value>,
    pub(super) tags: Vec<String>,
    pub(super) user_ref: Option<String>,
    pub(super) project: Option<String>,
    pub(super) recipients: Vec<WorkspaceId>,
    pub(super) client_event_id: Option<String>,
}

impl App {
    /// Checks an event; names of fields get `prefix` before them.
    pub(super) async fn check_event(&self, ctx: &Ctx, new: NewEvent, prefix: &str) -> Result<Checked> {
        let default = match new.visibility {
            Some(visibility) => visibility,
            None => self.workspace_facts(ctx).await?.default_visibility,
        };
        let circuit = new.circuit_id;
        let checked = check(new, default, self.now()).map_err(|errors| {
            let named = errors.into_iter().map(|error| FieldError {
                field: format!("{prefix}{}", error.field),
                ..error
            });
            AppError::invalid(named.collect())
        })?;
        if let Some(circuit) = circuit {
            let scope = ctx.scope();
            if !activities::takes_part(&self.db().scoped(&scope), ctx.workspace(), circuit).await? {
                return Err(AppError::not_found("circuit"));
            }
        }
        Ok(checked)
    }
}

fn check(
    new: NewEvent,
    default: Visibility,
    now: Timestamp,
) -> std::result::Result<Checked, Vec<FieldError>> {
    let source = new.source.unwrap_or_else(|| DEFAULT_SOURCE.to_owned());
    let mut errors: Vec<FieldError> = [
        event::check_source(&source),
        check_reference("user_id", new.user_ref.as_deref()),
        check_reference("project_id", new.project.as_deref()),
        check_reference("client_event_id", new.client_event_id.as_deref()),
        check_items(&new.dfids),
        check_recipients(
            new.visibility,
            new.dfid.or(new.dfids.first().copied()),
            &new.recipients,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (dfid, dfids) = items(new.dfid, new.dfids);
    let event_type = EventType::new("event_type", &new.event_type).map_err(|error| errors.push(error));
    let tags = event::check_tags(&new.tags).map_err(|broken| errors.extend(broken));
    let data = check_data(new.data).map_err(|broken| errors.extend(broken));
    match (event_type, tags, data) {
        (Ok(event_type), Ok(tags), Ok(data)) if errors.is_empty() => Ok(Checked {
            event_type,
            source,
            dfid,
            dfids,
            circuit_id: new.circuit_id,
            visibility: default,
            occurred_at: new.occurred_at.unwrap_or(now),
            data,
            tags,
            user_ref: new.user_ref,
            project: new.project,
            recipients: new.recipients,
            client_event_id: new.client_event_id,
        }),
        _ => Err(errors),
    }
}

fn check_items(dfids: &[Dfid]) -> Option<FieldError> {
    let max = event::MAX_ITEMS;
    let message = format!("must have at most {max} entries");
    (dfids.len() > max).then(|| FieldError::new("dfids", "too_many", message))
}

/// The first item, and all of them, each once, if they are several.
fn items(dfid: Option<Dfid>, dfids: Vec<Dfid>) -> (Option<Dfid>, Vec<Dfid>) {
    let mut seen = std::collections::BTreeSet::new();
    let mut all: Vec<Dfid> = dfid.into_iter().chain(dfids).collect();
    all.retain(|dfid| seen.insert(*dfid));
    let first = all.first().copied();
    if all.len() < 2 {
        all.clear();
    }
    (first, all)
}

/// Checks a payload; none is an empty one.
pub(super) fn check_data(data: Option<Value>) -> std::result::Result<Map<String, Value>, Vec<FieldError>> {
    let data = data.unwrap_or_else(|| Value::Object(Map::new()));
    let errors = event::check_data(&data);
    match data {
        Value::Object(data) if errors.is_empty() => Ok(data),
        _ => Err(errors),
    }
}

fn check_reference(field: &str, text: Option<&str>) -> Option<FieldError> {
    let text = text?;
    let fits = (1..=MAX_REFERENCE).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let message = format!("must have 1 to {MAX_REFERENCE} characters, none of them a control character");
    (!fits).then(|| FieldError::new(field, "malformed", message))
}

fn check_recipients(
    visibility: Option<Visibility>,
    dfid: Option<Dfid>,
    recipients: &[WorkspaceId],
) -> Option<FieldError> {
    let direct = visibility == Some(Visibility::Direct);
    let (code, message) = if direct && (recipients.is_empty() || recipients.len() > MAX_RECIPIENTS) {
        (
            "length",
            format!("a direct event is addressed to 1 to {MAX_RECIPIENTS} workspaces"),
        )
    } else if direct && dfid.is_none() {
        (
            "needs_item",
            "a direct event is about an item its recipients may read: name its `dfid`".to_owned(),
        )
    } else if !direct && !recipients.is_empty() {
        (
            "only_direct",
            "only events with the visibility `direct` have recipients".to_owned(),
        )
    } else {
        return None;
    };
    Some(FieldError::new("recipients", code, message))
}

impl Checked {
    /// What the leaf's subject commits to: the item, or the event itself.
    pub(super) fn subject(&self, id: EventId) -> String {
        self.dfid.map_or_else(|| id.to_string(), |dfid| dfid.to_string())
    }

    pub(super) fn commitment(&self, id: EventId, version: u64, recorded_at: Timestamp) -> Commitment<'_> {
        Commitment {
            id,
            version,
            event_type: self.event_type.as_str(),
            source: &self.source,
            dfid: self.dfid,
            dfids: &self.dfids,
            circuit_id: self.circuit_id,
            visibility: self.visibility,
            occurred_at: self.occurred_at,
            recorded_at,
            user_id: self.user_ref.as_deref(),
            project_id: self.project.as_deref(),
            data: &self.data,
            tags: &self.tags,
            recipients: &self.recipients,
            client_event_id: self.client_event_id.as_deref(),
        }
    }

    pub(super) fn recorded(&self, id: EventId) -> Recorded {
        Recorded {
            id,
            event_type: self.event_type.as_str().to_owned(),
            dfid: self.dfid,
            dfids: self.dfids.clone(),
            circuit_id: self.circuit_id,
            visibility: self.visibility,
            occurred_at: self.occurred_at,
        }
    }

    pub(super) fn into_event(self, ctx: &Ctx, id: EventId, leaf: Uuid, now: Timestamp) -> Event {
        Event {
            workspace_id: ctx.workspace(),
            id,
            event_type: self.event_type.as_str().to_owned(),
            source: self.source,
            dfid: self.dfid,
            items: self.dfids,
            circuit_id: self.circuit_id,
            visibility: self.visibility,
            occurred_at: self.occurred_at,
            recorded_at: now,
            created_by: ctx.user(),
            user_ref: self.user_ref,
            project: self.project,
            data: Some(self.data),
            sealed: None,
            tags: self.tags,
            recipients: self.recipients,
            client_event_id: self.client_event_id,
            leaf_id: leaf,
            erased_at: None,
            version: 1,
        }
    }
}
