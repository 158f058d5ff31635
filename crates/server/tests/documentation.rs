//! What holds for all routes together: the OpenAPI document describes each by its own types, the outgoing guard knows the
//! entities it looks at, and no write is open to an API key for reading.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::collections::BTreeSet;

use serde_json::Value;

#[path = "support/mod.rs"]
mod fixture;

#[tokio::test]
async fn no_two_documented_types_share_a_name() {
    let service = fixture::Service::start(db::Engine::Sqlite).await;
    let clashes = server::openapi::clashes(service.edge.endpoints().iter().map(|endpoint| &**endpoint));
    assert!(
        clashes.is_empty(),
        "one type hides another of the same name; give one `#[schema(as = ...)]`: {clashes:?}"
    );
}

/// Names that a schema gives to its members, those of its list's entries included.
fn members(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap();
        return members(document, named, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        members(document, part, found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(name.clone());
        if name == "data" {
            members(document, &member["items"], found);
        }
    }
}

/// Routes that answer with JSON and that the outgoing guard does not look at: what they show is of no single kind of
/// entity, or is found by the caller's own name. The list may only shrink.
const NOT_GUARDED: &[&str] = &[
    "/api/activity",
    "/api/activity/stats",
    "/api/admin/actions",
    "/api/admin/isolation",
    "/api/admin/statistics",
    "/api/admin/users",
    "/api/admin/users/{id}",
    "/api/admin/workspaces",
    "/api/admin/workspaces/{id}",
    "/api/audit/report",
    "/api/auth/me",
    "/api/circuits/{circuit_id}/activity",
    "/api/circuits/{circuit_id}/activity/stats",
    "/api/circuits/{circuit_id}/invitations",
    "/api/circuits/{circuit_id}/join-requests",
    "/api/circuits/{circuit_id}/members",
    "/api/circuits/{circuit_id}/roles",
    "/api/credits",
    "/api/credits/history",
    "/api/events/stats",
    "/api/invitations",
    "/api/items/local/duplicates",
    "/api/items/{dfid}/history",
    "/api/join-requests",
    "/api/members",
    "/api/members/{user_id}",
    "/api/namespaces",
    "/api/sessions",
    "/api/workspace",
    "/api/workspace/usage",
    "/api/workspaces",
];

/// A row of the guard's table that names a member which no answer has would let everything pass.
#[tokio::test]
async fn the_outgoing_guard_finds_the_entities_it_looks_at() {
    let service = fixture::Service::start(db::Engine::Sqlite).await;
    let document = server::openapi::document("1", service.edge.endpoints().iter().map(|one| &**one));
    let mut unguarded = Vec::new();
    for endpoint in service.edge.endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        let answers = operation["responses"].as_object().unwrap().iter();
        let schemas: Vec<_> = answers
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(_, answer)| &answer["content"]["application/json"]["schema"])
            .filter(|schema| !schema.is_null())
            .collect();
        if endpoint.method != http::Method::GET || schemas.is_empty() || operation["security"].is_null() {
            continue;
        }
        let mut found = BTreeSet::new();
        for schema in schemas {
            members(&document, schema, &mut found);
        }
        match server::platform_guard::looks_at(endpoint.path) {
            Some(member) if found.contains(member) => {}
            _ => unguarded.push(endpoint.path),
        }
    }
    unguarded.sort_unstable();
    assert_eq!(unguarded, NOT_GUARDED);
}

/// Routes that change nothing although their method is not `GET`.
const HARMLESS: &[&str] = &["/api/live/ticket"];

#[tokio::test]
async fn no_write_is_open_to_a_key_for_reading() {
    let service = fixture::Service::start(db::Engine::Sqlite).await;
    let open: Vec<_> = service
        .edge
        .endpoints()
        .iter()
        .filter(|one| one.method != http::Method::GET && !HARMLESS.contains(&one.path))
        .filter(|one| {
            one.policy
                .scope()
                .is_some_and(|scope| scope.as_str().ends_with(":read"))
        })
        .map(|one| format!("{} {}", one.method, one.path))
        .collect();
    assert!(open.is_empty(), "these need a scope for writing: {open:#?}");
}
