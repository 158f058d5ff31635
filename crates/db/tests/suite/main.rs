//! What both engines promise, asked of both.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

mod cancellation;
mod coalescer;
mod grouping;
mod idle;
mod migrations;
mod plans;
mod pressure;
mod replica;
mod security;
mod signals;
mod time_limits;
mod tls;
mod units;
mod values;

use db::migrate::Migration;
use db::{Engine, Scope};
use test_support::{TestDb, migrated};
use uuid::Uuid;

/// Runs each case on both engines.
macro_rules! both_engines {
    ($($case:ident),+ $(,)?) => {
        mod sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(db::Engine::Sqlite).await; })+ }
        mod postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(db::Engine::Postgres).await; })+ }
    };
}
pub(crate) use both_engines;

pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "tables",
    up: "create table kinds (
    id {bigint} primary key, flag {bool}, whole {bigint}, small {int}, fraction {real}, name {text}, raw {bytes},
    uid {uuid}, doc {json}, at {timestamp}
) {strict};
create table things (
    workspace_id {uuid} not null,
    id {bigint} not null,
    code {text} not null,
    primary key (workspace_id, id),
    constraint things_workspace_id_code_key unique (workspace_id, code)
) {strict};
{rls:things}
create table jobs (id {bigint} primary key, owner {text}) {strict};
-- only: postgres
grant select, insert, update, delete on kinds, jobs to {system_role};
-- end",
    down: "drop table jobs; drop table things; drop table kinds;",
}];

db::statements! {
    pub(crate) INSERT_THING = "things.insert", "insert into things (workspace_id, id, code) values ($1, $2, $3)";
    pub(crate) LIST_THINGS = "things.list", "select id, code from things where workspace_id = $1 order by id";
    pub(crate) ALL_THINGS = "things.all", "select workspace_id, id from things order by id";
    pub(crate) COUNT_JOBS = "jobs.count", "select count(*) as n from jobs";
    pub(crate) INSERT_JOB = "jobs.insert", "insert into jobs (id) values ($1)";
}

pub(crate) async fn database(engine: Engine) -> TestDb {
    migrated(engine, MIGRATIONS).await
}

/// The n-th workspace of a test.
pub(crate) fn workspace(n: u128) -> (Uuid, Scope) {
    let id = Uuid::from_u128(0xf00d_0000 + n);
    (id, Scope::workspace(id))
}
