//! What the platform's outgoing guard looks at: the entities of each route's answer, by a table of route patterns.
//!
//! Covered are JSON answers to a known caller on the routes of the table, and of those the entities that the table names
//! a way to. Not covered: streams (exports, server-sent events, sockets), answers to nobody known, other ids within an
//! entity, and routes that are not in the table, which a test lists with the reason for each.

use app::{App, rights::Entity};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    caller::Caller,
    outgoing::{GuardError, OutgoingGuard},
};

/// Route patterns, what their answers hold, and the member that names it, by points from the answer or the entries of
/// its list. A pattern that ends with `*` covers what begins with it; the first that fits decides.
const TABLE: &[(&str, Entity, &str)] = &[
    ("/api/items/local", Entity::LocalItem, "local_id"),
    (
        "/api/items/local/duplicates",
        Entity::LocalItem,
        "groups.local_ids",
    ),
    ("/api/items/local/{local_id}*", Entity::LocalItem, "local_id"),
    ("/api/items", Entity::Item, "dfid"),
    ("/api/items/search", Entity::Item, "dfid"),
    ("/api/items/{dfid}/timeline", Entity::Event, "id"),
    ("/api/items/{dfid}/history", Entity::Change, "id"),
    ("/api/items/{dfid}*", Entity::Item, "dfid"),
    ("/api/events", Entity::Event, "id"),
    ("/api/events/{event_id}", Entity::Event, "id"),
    ("/api/circuits", Entity::Circuit, "id"),
    ("/api/circuits/{circuit_id}", Entity::Circuit, "id"),
    ("/api/circuits/{circuit_id}/activity", Entity::Activity, "id"),
    (
        "/api/circuits/{circuit_id}/invitations*",
        Entity::Invitation,
        "id",
    ),
    (
        "/api/circuits/{circuit_id}/join-requests*",
        Entity::JoinRequest,
        "id",
    ),
    (
        "/api/circuits/{circuit_id}/members*",
        Entity::CircuitMember,
        "user_id",
    ),
    ("/api/circuits/{circuit_id}/roles*", Entity::CircuitRole, "name"),
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
    ("/api/activity", Entity::Activity, "id"),
    ("/api/invitations*", Entity::Invitation, "id"),
    ("/api/join-requests", Entity::JoinRequest, "id"),
    ("/api/members*", Entity::Member, "user_id"),
    ("/api/auth/me", Entity::Member, "user_id"),
    ("/api/sessions", Entity::Session, "id"),
    ("/api/workspace", Entity::Workspace, "id"),
    ("/api/workspaces", Entity::Workspace, "workspace.id"),
    ("/api/credits/history", Entity::Movement, "id"),
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
            let foreign = self.0.foreign(caller, *entity, &ids).await?;
            if !foreign.is_empty() {
                self.0.report_breach(caller.workspace_id, route).await?;
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
    let list = body.get("data").filter(|data| data.is_array());
    let way: Vec<_> = member.split('.').collect();
    let mut found = Vec::new();
    gather(list.unwrap_or(body), &way, &mut found);
    found
}

/// The texts at the end of the way; an array on it stands for each of its entries.
fn gather(value: &Value, way: &[&str], found: &mut Vec<String>) {
    match (value, way) {
        (Value::Array(entries), _) => entries.iter().for_each(|entry| gather(entry, way, found)),
        (Value::String(id), []) => found.push(id.clone()),
        (Value::Object(members), [first, rest @ ..]) => {
            if let Some(member) = members.get(*first) {
                gather(member, rest, found);
            }
        }
        _ => {}
    }
}
