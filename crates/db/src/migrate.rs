//! Numbered migrations with type tokens, checksums and a lock.

mod postgres;
mod sqlite;
mod text;

use crate::connection::Answer;
use crate::{DbConfig, DbError, Engine, Micros, Target};
use text::{checksum, expand};

/// One migration: a change and the way back. The texts are embedded by the crate that owns the tables.
///
/// Tokens: the column types `{uuid}`, `{text}`, `{timestamp}`, `{json}`, `{bytes}`, `{bigint}`, `{int}`,
/// `{bool}`, `{real}`, `{bigserial}`; `{strict}` behind a table, for SQLite; the roles `{app_role}` and `{system_role}`; and `{rls:table}`, a line of its
/// own, which on PostgreSQL forces row-level security by the column `workspace_id` and grants both roles their
/// rights; `{rls_circuit:table}` does so by taking part in the row's circuit, and leaves the grants to the migration.
/// Lines between `-- only: postgres` (or `sqlite`) and `-- end` are left out on the other engine.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; strictly increasing in the list.
    pub version: i64,
    /// Its name, as in the file's name.
    pub name: &'static str,
    /// The change.
    pub up: &'static str,
    /// The way back.
    pub down: &'static str,
}

/// A migration and whether it has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// When it was applied, if it was.
    pub applied_at: Option<Micros>,
}

const TABLE: &str = "create table if not exists schema_migrations (
    version bigint primary key, name text not null, checksum text not null, applied_at bigint not null)";
const LIST: &str = "select version, name, checksum, applied_at from schema_migrations order by version";

struct Applied {
    version: i64,
    name: String,
    checksum: String,
    at: i64,
}

/// Which way to go.
#[derive(Clone, Copy)]
enum Goal {
    /// Apply everything, noting this time.
    Up(Micros),
    /// Take back everything above this version.
    Down(i64),
}

/// One migration's text and its entry in the table: both run, or neither.
struct Change {
    version: i64,
    name: &'static str,
    text: String,
    entry: String,
}

/// The roles' names, empty on SQLite.
#[derive(Clone, Copy)]
struct Roles<'a> {
    app: &'a str,
    system: &'a str,
}

/// The next change towards the goal, given what is applied.
fn next(
    goal: Goal,
    migrations: &[Migration],
    applied: &[Applied],
    engine: Engine,
    roles: Roles<'_>,
) -> Result<Option<Change>, DbError> {
    compare(migrations, applied)?;
    let expanded = |m: &Migration, text: &str| {
        expand(text, engine, roles.app, roles.system).map_err(|reason| DbError::other(m.name, reason))
    };
    let migration = match goal {
        Goal::Up(_) => migrations.get(applied.len()),
        Goal::Down(target) => migrations[..applied.len()].last().filter(|m| m.version > target),
    };
    let Some(m) = migration else { return Ok(None) };
    let (text, entry) = match goal {
        Goal::Up(now) => (
            expanded(m, m.up)?,
            format!(
                "insert into schema_migrations (version, name, checksum, applied_at) values ({}, '{}', '{}', {})",
                m.version,
                m.name.replace('\'', "''"),
                checksum(m),
                now.0
            ),
        ),
        Goal::Down(_) => (
            expanded(m, m.down)?,
            format!("delete from schema_migrations where version = {}", m.version),
        ),
    };
    Ok(Some(Change {
        version: m.version,
        name: m.name,
        text,
        entry,
    }))
}

/// Refuses a list that does not begin with what the database has.
fn compare(migrations: &[Migration], applied: &[Applied]) -> Result<(), DbError> {
    let refuse = |reason: String| Err(DbError::Schema { reason });
    for pair in migrations.windows(2) {
        if pair[0].version >= pair[1].version {
            return refuse(format!(
                "migration {} does not come after {}",
                pair[1].version, pair[0].version
            ));
        }
    }
    for (index, row) in applied.iter().enumerate() {
        match migrations.get(index) {
            Some(known) if known.version == row.version => {
                if checksum(known) != row.checksum {
                    return refuse(format!(
                        "migration {} {} was changed after it was applied",
                        row.version, row.name
                    ));
                }
            }
            _ => {
                return refuse(format!(
                    "the database has migration {} {}, which is not in this release's order",
                    row.version, row.name
                ));
            }
        }
    }
    Ok(())
}

/// Applies what is missing, in order, under a lock, each in a transaction of its own. Returns the versions applied.
///
/// # Errors
/// A changed or unknown applied migration; what a statement did, with the migration's name.
pub async fn up(config: &DbConfig, migrations: &[Migration], now: Micros) -> Result<Vec<i64>, DbError> {
    change(config, migrations, Goal::Up(now)).await
}

/// Takes back every applied migration above `target`, the latest first. Returns the versions taken back.
///
/// # Errors
/// As [`up`].
pub async fn down(config: &DbConfig, migrations: &[Migration], target: i64) -> Result<Vec<i64>, DbError> {
    change(config, migrations, Goal::Down(target)).await
}

fn change<'a>(config: &'a DbConfig, migrations: &'a [Migration], goal: Goal) -> Answer<'a, Vec<i64>> {
    match &config.target {
        Target::Sqlite(target) => {
            let (target, config, migrations) = (target.clone(), config.clone(), migrations.to_vec());
            Box::pin(blocking(move || {
                sqlite::change(&target, &config, &migrations, goal)
            }))
        }
        Target::Postgres(target) => Box::pin(postgres::change(target, migrations, goal)),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, DbError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| DbError::other("migrate", e))?
}

/// Lists the migrations and which of them are applied. Changes nothing.
///
/// # Errors
/// As [`up`].
pub async fn status(config: &DbConfig, migrations: &[Migration]) -> Result<Vec<Status>, DbError> {
    let applied = match &config.target {
        Target::Sqlite(target) => {
            let (target, config) = (target.clone(), config.clone());
            blocking(move || sqlite::applied(&target, &config)).await?
        }
        Target::Postgres(target) => postgres::applied(target).await?,
    };
    compare(migrations, &applied)?;
    let one = |(index, m): (usize, &Migration)| Status {
        version: m.version,
        name: m.name.to_owned(),
        applied_at: applied.get(index).map(|row| Micros(row.at)),
    };
    Ok(migrations.iter().enumerate().map(one).collect())
}

/// Checks that the database is exactly at the last migration and that no applied one was changed since.
///
/// # Errors
/// Says which migration is missing, unknown or changed.
pub async fn check(config: &DbConfig, migrations: &[Migration]) -> Result<(), DbError> {
    match status(config, migrations)
        .await?
        .into_iter()
        .find(|s| s.applied_at.is_none())
    {
        Some(s) => Err(DbError::Schema {
            reason: format!("migration {} {} is not applied", s.version, s.name),
        }),
        None => Ok(()),
    }
}
