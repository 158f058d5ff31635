//! Holds every statement of this crate against both engines, and against the rule that every query names its tenant.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

use db::{DbError, Description, Engine, Sql, Target, describe, plans};
use store::migrations;
use test_support::migrated;

async fn described(engine: Engine, statements: &[&'static Sql]) -> Vec<Result<Description, DbError>> {
    let database = migrated(engine, migrations::ALL).await;
    describe(&database.config, statements).await.unwrap()
}

#[tokio::test]
async fn every_statement_means_the_same_on_both_engines() {
    let statements = store::statements();
    assert!(
        statements.len() > 100,
        "only {} statements are listed",
        statements.len()
    );
    let sqlite = described(Engine::Sqlite, &statements).await;
    let postgres = described(Engine::Postgres, &statements).await;
    let mut faults = Vec::new();
    for ((sql, sqlite), postgres) in statements.iter().zip(sqlite).zip(postgres) {
        match (sqlite, postgres) {
            (Ok(one), Ok(other)) if one == other => {}
            (Ok(one), Ok(other)) => faults.push(format!("{}: {one:?} / {other:?}", sql.name)),
            (one, other) => faults.extend(
                [("sqlite", one.err()), ("postgres", other.err())]
                    .into_iter()
                    .filter_map(|(engine, error)| {
                        error.map(|error| format!("{} on {engine}: {error:?}", sql.name))
                    }),
            ),
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Statements whose plans compare each row of one table with each of another, with the reason why that is right.
const EACH_WITH_EACH: &[(&str, &str)] = &[(
    "jobs.lease",
    "jobs that wait with those that run, of which there are as many as workers",
)];

/// Connections keep the plan that they made first, and a service begins with empty tables. There the planner takes
/// `circuit_id = $1` for one row, and reading the whole circuit for each row of a join seems free.
#[tokio::test]
async fn no_plan_made_on_empty_tables_compares_each_row_with_each() {
    let statements = store::statements();
    let database = migrated(Engine::Postgres, migrations::ALL).await;
    let Target::Postgres(target) = &database.config.target else {
        panic!("not PostgreSQL");
    };
    let plans = plans(target, &statements).await.unwrap();
    for (sql, plan) in statements.iter().zip(plans) {
        // Taking a lock of PostgreSQL's is a block of its language, which has no plan.
        if sql.source(Engine::Postgres).starts_with("do ") {
            continue;
        }
        let plan = plan.unwrap_or_else(|error| panic!("{}: {error:?}", sql.name));
        let excused = EACH_WITH_EACH.iter().any(|(name, _)| *name == sql.name);
        assert_eq!(
            each_with_each(&plan[0]["Plan"]),
            excused,
            "{}: {plan:#}",
            sql.name
        );
    }
}

/// Whether a part of the plan compares rows that it looks up without regard to those that it compares them with.
fn each_with_each(plan: &serde_json::Value) -> bool {
    let parts = plan["Plans"].as_array().map_or(&[][..], Vec::as_slice);
    let compares = plan["Node Type"] == "Nested Loop" && plan.get("Join Filter").is_some();
    let inner = parts.iter().find(|part| part["Parent Relationship"] == "Inner");
    (compares && inner.is_none_or(|inner| !looked_up_by_another(inner))) || parts.iter().any(each_with_each)
}

/// Whether an index is asked for what a row of another table says; only then a condition names tables. What the row
/// guards ask is no part of it.
fn looked_up_by_another(plan: &serde_json::Value) -> bool {
    let asked = plan["Index Cond"]
        .as_str()
        .is_some_and(|condition| condition.contains('.'));
    let parts = plan["Plans"].as_array().map_or(&[][..], Vec::as_slice);
    asked
        || parts
            .iter()
            .filter(|part| part.get("Subplan Name").is_none())
            .any(looked_up_by_another)
}

#[test]
fn every_name_is_used_once() {
    let mut names: Vec<&str> = store::statements().iter().map(|sql| sql.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// A module that declares statements and is not in the list would escape the tests above.
#[test]
fn every_module_is_listed() {
    let listed = include_str!("../src/lib.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = if path.is_file() {
            std::fs::read_to_string(&path).unwrap()
        } else {
            String::new()
        };
        if text.contains("statements! {") || text.contains("pub const STATEMENTS") {
            assert!(
                listed.contains(&format!(" {module}::STATEMENTS,")),
                "store::statements() leaves out {module}"
            );
        }
    }
}

/// Tables whose rows belong to no workspace, or are found before one is known.
const GLOBAL: &[&str] = &[
    "admin_actions",
    "deployment",
    "namespaces",
    "password_resets",
    "refresh_tokens",
    "sign_in_failures",
    "users",
    "workspaces",
];

/// Statements that name no tenant, each with its reason. The list may only shrink.
const WITHOUT_TENANT: &[(&str, &str)] = &[
    (
        "admin.statistics",
        "counts the whole deployment, for its administrators",
    ),
    ("api_keys.authenticate", "finds the tenant by the key"),
    (
        "api_keys.count_use",
        "by the id of a key whose secret has been checked",
    ),
    ("circuits.by_slug", "serves a circuit its owner made public"),
    (
        "circuits.lock",
        "by the circuit's own id; the row guard asks for membership",
    ),
    (
        "circuits.update",
        "by the circuit's own id; the row guard asks for membership",
    ),
    (
        "credits.totals",
        "sums the whole deployment, for its administrators",
    ),
    (
        "live_messages.since",
        "feeds every tenant's connections from one read; the hub sorts them",
    ),
    ("live_messages.last", "where the feed of all tenants stands"),
    (
        "live_messages.purge",
        "removes what is older than anybody may resume from",
    ),
    ("live_tickets.purge", "removes tickets that have expired"),
    (
        "jobs.by_state",
        "how many there are in the deployment, for its metric",
    ),
    (
        "outbox.waiting",
        "how much waits in the deployment, for its metric",
    ),
    ("sessions.authenticate", "finds the tenant by the session"),
    ("sessions.owner", "finds whose session it is"),
    (
        "sessions.touch",
        "by the id of a session whose secret has been checked",
    ),
    ("users.credentials", "signs in: finds the tenant by the name"),
    ("users.login", "signs in: finds the tenant by the name"),
];

/// What names a tenant: the workspace, a circuit it takes part in, or the person who asks.
const KEYS: &[&str] = &[
    "workspace_id",
    "circuit_id",
    "user_id",
    "invited_user_id",
    "session_id",
];

fn names(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|part| part == word)
}

#[test]
fn every_query_on_tenant_tables_names_the_tenant() {
    let tables = tenant_tables();
    assert!(tables.len() > 20, "{tables:?}");
    let mut faults = Vec::new();
    for sql in store::statements() {
        let text = sql.source(Engine::Postgres);
        let touched: Vec<&str> = tables
            .iter()
            .map(String::as_str)
            .filter(|table| names(text, table))
            .collect();
        // What is read is chosen after `where`; what is inserted names its columns before.
        let chosen = if text.trim_start().starts_with("insert") {
            text
        } else {
            text.split_once("where").map_or("", |(_, rest)| rest)
        };
        let named = KEYS.iter().any(|key| names(chosen, key));
        let excused = WITHOUT_TENANT.iter().any(|(name, _)| *name == sql.name);
        if !touched.is_empty() && named == excused {
            faults.push(format!(
                "{} touches {touched:?}: {}",
                sql.name,
                if excused {
                    "names its tenant"
                } else {
                    "names no tenant"
                }
            ));
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// Read from the migrations, so that a new table is a tenant's unless it is listed as global.
fn tenant_tables() -> Vec<String> {
    migrations::ALL
        .iter()
        .flat_map(|migration| migration.up.split("create table ").skip(1))
        .filter_map(|rest| rest.split([' ', '(']).next())
        .filter(|table| !GLOBAL.contains(table))
        .map(str::to_owned)
        .collect()
}
