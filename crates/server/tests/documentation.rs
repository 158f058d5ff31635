//! The OpenAPI document describes each route by its own types.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

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
