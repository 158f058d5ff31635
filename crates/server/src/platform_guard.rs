//! What the platform's outgoing guard looks at: the entities of each route's answer, by a table of route patterns.
//!
//! Covered are JSON answers to a known caller on the routes of the table, and of those the entities at the top of the
//! answer or in its list. Not covered: streams (exports, server-sent events, sockets), answers to nobody known, ids
//! within an entity, and routes that are not in the table, which a test lists.

use app::{App, rights::Entity};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    caller::Caller,
    outgoing::{GuardError, OutgoingGuard},
};

/// Route patterns, what their answers hold, and the member that names it. A pattern that ends with `*` covers what
/// begins with it; the first that fits decides.
const TABLE: &[(&str, Entity, &str)] = &[
    ("/api/items/local", Entity::LocalItem, "local_id"),
    ("/api/items/local/{local_id}*", Entity::LocalItem, "local_id"),
    ("/api/items", Entity::Item, "dfid"),
    ("/api/items/search", Entity::Item, "dfid"),
    ("/api/items/{dfid}/timeline", Entity::Event, "id"),
    ("/api/items/{dfid}*", Entity::Item, "dfid"),
    ("/api/events", Entity::Event, "id"),
    ("/api/events/{event_id}", Entity::Event, "id"),
    ("/api/circuits", Entity::Circuit, "id"),
    ("/api/circuits/{circuit_id}", Entity::Circuit, "id"),
    ("/api/circuits/{circuit_id}/items", Entity::Item, "dfid"),
    ("/api/circuits/{circuit_id}/push*", Entity::Item, "dfid"),
    (
        "/api/circuits/{circuit_id}/pull",
        Entity::Operation,
        "operation_id",
    ),
    (
        "/api/circuits/{circuit_id}/operations*",
        Entity::Operation,
        "operation_id",
    ),
    ("/api/pending-items*", Entity::PendingItem, "id"),
    ("/api/jobs*", Entity::Job, "id"),
    ("/api/audit", Entity::AuditRecord, "id"),
    ("/api/incidents*", Entity::Incident, "id"),
    ("/api/api-keys*", Entity::ApiKey, "id"),
];

/// The member by which the guard knows the entities in a route's answers; none if it does not look at them.
#[must_use]
pub fn looks_at(route: &str) -> Option<&'static str> {
    row(route).map(|(.., member)| *member)
}

fn row(route: &str) -> Option<&'static (&'static str, Entity, &'static str)> {
    TABLE.iter().find(|(pattern, ..)| fits(pattern, route))
}

/// The guard of the platform.
pub struct PlatformGuard(pub App);

impl OutgoingGuard for PlatformGuard {
    fn check<'a>(
        &'a self,
        route: &'static str,
        caller: &'a Caller,
        body: &'a Bytes,
    ) -> BoxFuture<'a, Result<Vec<String>, GuardError>> {
        Box::pin(async move {
            let Some((_, entity, member)) = row(route) else {
                return Ok(Vec::new());
            };
            let ids = ids(&serde_json::from_slice(body)?, member);
            if ids.is_empty() {
                return Ok(ids);
            }
            let workspace = caller.workspace_id;
            let foreign = self.0.foreign(workspace, *entity, &ids).await?;
            if !foreign.is_empty() {
                self.0.report_breach(workspace, route).await?;
            }
            Ok(foreign)
        })
    }
}

fn fits(pattern: &str, route: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => route.starts_with(start),
        None => route == pattern,
    }
}

/// The ids of the answer itself, or of the entries of its list.
fn ids(body: &Value, member: &str) -> Vec<String> {
    let id = |entity: &Value| Some(entity.get(member)?.as_str()?.to_owned());
    match body.get("data").and_then(Value::as_array) {
        Some(list) => list.iter().filter_map(id).collect(),
        None => id(body).into_iter().collect(),
    }
}
