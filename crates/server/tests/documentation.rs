//! What holds for all routes together: the OpenAPI document describes each by its own types, the outgoing guard knows the
//! entities it looks at, and no write is open to an API key for reading.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::collections::BTreeSet;

use serde_json::Value;
use server::policy::{Access, Repeat};

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
///
/// A member of a member is named by a point between both; `data` and arrays are passed through.
fn members(document: &Value, schema: &Value, above: &str, found: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap();
        return members(document, named, above, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        members(document, part, above, found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        let below = match path.as_str() {
            "data" => String::new(),
            _ => format!("{path}."),
        };
        // No guarded member lies deeper, and some schemas hold themselves.
        if below.matches('.').count() < 2 {
            members(document, member, &below, found);
            members(document, &member["items"], &below, found);
        }
        found.insert(path);
    }
}

/// For the administrators of the platform, who see all tenants.
const ALL_TENANTS: &str = "shows all tenants, to the platform's administrators alone";
/// Sums and names of kinds, by which no entity can be told.
const FIGURES: &str = "counts and sums: there is no entity in it";

/// Routes that answer with JSON and that the outgoing guard does not look at, each with its reason: no answer of theirs
/// holds an entity of a tenant. The list may only shrink.
const NOT_GUARDED: &[(&str, &str)] = &[
    ("/api/activity/stats", FIGURES),
    ("/api/admin/actions", ALL_TENANTS),
    ("/api/admin/isolation", ALL_TENANTS),
    ("/api/admin/statistics", ALL_TENANTS),
    ("/api/admin/users", ALL_TENANTS),
    ("/api/admin/users/{id}", ALL_TENANTS),
    ("/api/admin/workspaces", ALL_TENANTS),
    ("/api/admin/workspaces/{id}", ALL_TENANTS),
    ("/api/audit/report", FIGURES),
    ("/api/circuits/{circuit_id}/activity/stats", FIGURES),
    ("/api/credits", FIGURES),
    ("/api/events/stats", FIGURES),
    ("/api/namespaces", "words that are the same for everybody"),
    ("/api/workspace/usage", FIGURES),
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
            members(&document, schema, "", &mut found);
        }
        match server::platform_guard::looks_at(endpoint.path) {
            Some(member) if found.contains(member) => {}
            _ => unguarded.push(endpoint.path),
        }
    }
    unguarded.sort_unstable();
    let known: Vec<_> = NOT_GUARDED.iter().map(|(route, _)| *route).collect();
    assert_eq!(unguarded, known);
}

/// What a secret is called in an answer.
const SECRETS: [&str; 6] = [
    "secret",
    "token",
    "refresh_token",
    "csrf_token",
    "ticket",
    "password",
];

/// An answer that is kept for `Idempotency-Key` lies readable in the database for a day.
#[tokio::test]
async fn no_answer_with_a_secret_is_kept_for_a_repeated_write() {
    let service = fixture::Service::start(db::Engine::Sqlite).await;
    let document = server::openapi::document("1", service.edge.endpoints().iter().map(|one| &**one));
    let mut secret = Vec::new();
    for endpoint in service.edge.endpoints() {
        let method = endpoint.method.as_str();
        let operation = &document["paths"][endpoint.path][method.to_lowercase()];
        let mut found = BTreeSet::new();
        for (status, answer) in operation["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                let schema = &answer["content"]["application/json"]["schema"];
                members(&document, schema, "", &mut found);
            }
        }
        let last = |path: &String| path.rsplit('.').next().unwrap_or_default().to_owned();
        // Without a caller there is nobody whose key it could be.
        let known = endpoint.policy.access() != Access::Public && endpoint.method != http::Method::GET;
        if known && found.iter().any(|path| SECRETS.contains(&&*last(path))) {
            secret.push((format!("{method} {}", endpoint.path), endpoint.policy.repeat()));
        }
    }
    secret.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("POST /api/api-keys", Repeat::Refused),
        ("POST /api/api-keys/{id}/rotate", Repeat::Refused),
        ("POST /api/auth/switch-workspace", Repeat::IssuedAnew),
        ("POST /api/live/ticket", Repeat::IssuedAnew),
    ];
    assert_eq!(secret, expected.map(|(route, repeat)| (route.to_owned(), repeat)));
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
