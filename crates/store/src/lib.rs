//! One module per resource: its SQL, once, for both engines, and rows as domain types.
//!
//! No rule lives here and no HTTP. Functions that write return a [`Step`], so that a use case can send all the steps of
//! its unit of work in one round trip; functions that read take any [`db::Read`].

#[macro_use]
pub mod bind;
pub mod activities;
pub mod audit;
pub mod circuit_entry;
pub mod circuit_items;
pub mod circuit_members;
pub mod circuit_roles;
pub mod circuits;
pub mod event_queries;
pub mod events;
pub mod idempotency;
pub mod incidents;
pub mod item_grants;
pub mod item_history;
pub mod item_lists;
pub mod items;
pub mod jobs;
pub mod live;
pub mod local_events;
pub mod local_items;
pub mod migrations;
pub mod namespaces;
pub mod operations;
pub mod outbox;
pub mod pending_items;
pub mod records;
pub mod rights;
pub mod tenancy;

pub mod admin;
pub mod api_keys;
pub mod credits;
pub mod deployment;
pub mod members;
pub mod password_resets;
pub mod sessions;
pub mod sign_in_failures;
pub mod usage;
pub mod users;
pub mod workspaces;

pub use db::{DbError as StoreError, Step};

/// The statements of each module.
const MODULES: &[&[&db::Sql]] = &[
    activities::STATEMENTS,
    admin::STATEMENTS,
    api_keys::STATEMENTS,
    audit::STATEMENTS,
    circuit_entry::STATEMENTS,
    circuit_items::STATEMENTS,
    circuit_members::STATEMENTS,
    circuit_roles::STATEMENTS,
    circuits::STATEMENTS,
    credits::STATEMENTS,
    deployment::STATEMENTS,
    event_queries::STATEMENTS,
    events::STATEMENTS,
    idempotency::STATEMENTS,
    incidents::STATEMENTS,
    item_grants::STATEMENTS,
    item_history::STATEMENTS,
    item_lists::STATEMENTS,
    items::STATEMENTS,
    jobs::STATEMENTS,
    live::STATEMENTS,
    local_events::STATEMENTS,
    local_items::STATEMENTS,
    members::STATEMENTS,
    namespaces::STATEMENTS,
    operations::STATEMENTS,
    outbox::STATEMENTS,
    password_resets::STATEMENTS,
    pending_items::STATEMENTS,
    records::STATEMENTS,
    rights::STATEMENTS,
    sessions::STATEMENTS,
    sign_in_failures::STATEMENTS,
    tenancy::STATEMENTS,
    usage::STATEMENTS,
    users::STATEMENTS,
    workspaces::STATEMENTS,
];

/// Every statement of every module: what the tests hold against both engines.
#[must_use]
pub fn statements() -> Vec<&'static db::Sql> {
    MODULES.concat()
}
