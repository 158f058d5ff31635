//! Numbered migrations with type tokens, checksums and a lock.

mod text;

use rusqlite::TransactionBehavior;
use tokio_postgres::Client;

use crate::postgres::{classify as postgres_error, connect_login};
use crate::sqlite::{classify as sqlite_error, open};
use crate::{DbConfig, DbError, Engine, Micros, PostgresConfig, Target};
use text::{checksum, expand};

/// One migration: a change and the way back. The texts are embedded by the crate that owns the tables.
///
/// Tokens: the column types `{uuid}`, `{text}`, `{timestamp}`, `{json}`, `{bytes}`, `{bigint}`, `{int}`,
/// `{bool}`, `{real}`, `{bigserial}`; the roles `{app_role}` and `{system_role}`; and `{rls:table}`, a line of its
/// own, which on PostgreSQL forces row-level security by the column `workspace_id` and grants both roles their
/// rights. Lines between `-- only: postgres` (or `sqlite`) and `-- end` are left out on the other engine.
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
/// Any number, the same in every process: one migrates at a time per database.
const LOCK: &str = "select pg_advisory_lock(7220113)";
/// Roles belong to the whole cluster, so their creation is serialised apart, and per cluster by their own lock.
const ROLE_LOCK: i64 = 7_220_114;

struct Applied {
    version: i64,
    name: String,
    checksum: String,
    at: i64,
}

/// Where migrations run: a connection of its own, as the owner of the tables.
enum Session {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(Client, PostgresConfig),
}

impl Session {
    async fn open(config: &DbConfig) -> Result<Self, DbError> {
        match &config.target {
            Target::Sqlite(target) => {
                let connection = open(target, config)?;
                connection
                    .execute_batch(TABLE)
                    .map_err(|e| sqlite_error("migrate", e))?;
                Ok(Self::Sqlite(Box::new(connection)))
            }
            Target::Postgres(target) => {
                let client = connect_login(target).await?;
                let fail = |e| postgres_error("migrate", e);
                client.batch_execute(LOCK).await.map_err(fail)?;
                client.batch_execute(&prelude(target)).await.map_err(fail)?;
                client.batch_execute(TABLE).await.map_err(fail)?;
                Ok(Self::Postgres(client, target.clone()))
            }
        }
    }

    const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(..) => Engine::Postgres,
        }
    }

    fn roles(&self) -> (&str, &str) {
        match self {
            Self::Sqlite(_) => ("", ""),
            Self::Postgres(_, target) => (&target.app_role, &target.system_role),
        }
    }

    async fn applied(&self) -> Result<Vec<Applied>, DbError> {
        match self {
            Self::Sqlite(connection) => {
                let read = || {
                    connection
                        .prepare(LIST)?
                        .query_map([], |r| {
                            Ok(Applied {
                                version: r.get(0)?,
                                name: r.get(1)?,
                                checksum: r.get(2)?,
                                at: r.get(3)?,
                            })
                        })?
                        .collect::<rusqlite::Result<Vec<Applied>>>()
                };
                read().map_err(|e| sqlite_error("migrate", e))
            }
            Self::Postgres(client, _) => {
                let rows = client
                    .query(LIST, &[])
                    .await
                    .map_err(|e| postgres_error("migrate", e))?;
                let applied = |r: &tokio_postgres::Row| Applied {
                    version: r.get(0),
                    name: r.get(1),
                    checksum: r.get(2),
                    at: r.get(3),
                };
                Ok(rows.iter().map(applied).collect())
            }
        }
    }

    /// Runs the text and its entry in the table, both or neither.
    async fn step(&mut self, name: &'static str, text: &str, entry: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => {
                let mut run = || {
                    let unit = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                    unit.execute_batch(text)?;
                    unit.execute_batch(entry)?;
                    unit.commit()
                };
                run().map_err(|e| sqlite_error(name, e))
            }
            Self::Postgres(client, _) => {
                let fail = |e| postgres_error(name, e);
                let unit = client.transaction().await.map_err(fail)?;
                unit.batch_execute(text).await.map_err(fail)?;
                unit.batch_execute(entry).await.map_err(fail)?;
                unit.commit().await.map_err(fail)
            }
        }
    }

    fn text(&self, migration: &Migration, text: &str) -> Result<String, DbError> {
        let (app, system) = self.roles();
        expand(text, self.engine(), app, system).map_err(|reason| DbError::other(migration.name, reason))
    }
}

/// Roles and the function that row-level security calls. Run on every opening; changes nothing if all is there.
fn prelude(target: &PostgresConfig) -> String {
    let mut out = format!("select pg_advisory_lock({ROLE_LOCK});");
    for role in [&target.app_role, &target.system_role] {
        let (ident, literal) = (role.replace('"', "\"\""), role.replace('\'', "''"));
        out += &format!(
            "do $$ begin if not exists (select from pg_roles where rolname = '{literal}') then
               create role \"{ident}\" nologin nosuperuser nobypassrls; end if; end $$;
             do $$ begin if not pg_has_role(current_user, '{literal}', 'member') then
               execute 'grant \"{ident}\" to ' || quote_ident(current_user); end if; end $$;
             grant usage on schema public to \"{ident}\";"
        );
    }
    out += &format!("select pg_advisory_unlock({ROLE_LOCK});");
    out + "create or replace function app_workspaces() returns uuid[] language sql stable parallel safe as
        $$ select nullif(current_setting('app.workspaces', true), '')::uuid[] $$;"
}

/// Refuses a list that does not begin with what the database has.
fn compare(migrations: &[Migration], applied: &[Applied]) -> Result<(), DbError> {
    let refuse = |reason: String| Err(DbError::other("migrate", reason));
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
    let mut session = Session::open(config).await?;
    let applied = session.applied().await?;
    compare(migrations, &applied)?;
    let mut done = Vec::new();
    for migration in &migrations[applied.len()..] {
        let text = session.text(migration, migration.up)?;
        let entry = format!(
            "insert into schema_migrations (version, name, checksum, applied_at) values ({}, '{}', '{}', {})",
            migration.version,
            migration.name.replace('\'', "''"),
            checksum(migration),
            now.0
        );
        session.step(migration.name, &text, &entry).await?;
        done.push(migration.version);
    }
    Ok(done)
}

/// Takes back every applied migration above `target`, the latest first. Returns the versions taken back.
///
/// # Errors
/// As [`up`].
pub async fn down(config: &DbConfig, migrations: &[Migration], target: i64) -> Result<Vec<i64>, DbError> {
    let mut session = Session::open(config).await?;
    let applied = session.applied().await?;
    compare(migrations, &applied)?;
    let mut done = Vec::new();
    for migration in migrations[..applied.len()]
        .iter()
        .rev()
        .take_while(|m| m.version > target)
    {
        let text = session.text(migration, migration.down)?;
        let entry = format!(
            "delete from schema_migrations where version = {}",
            migration.version
        );
        session.step(migration.name, &text, &entry).await?;
        done.push(migration.version);
    }
    Ok(done)
}

/// Lists the migrations and which of them are applied.
///
/// # Errors
/// As [`up`].
pub async fn status(config: &DbConfig, migrations: &[Migration]) -> Result<Vec<Status>, DbError> {
    let applied = Session::open(config).await?.applied().await?;
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
        Some(s) => Err(DbError::other(
            "migrate",
            format!("migration {} {} is not applied", s.version, s.name),
        )),
        None => Ok(()),
    }
}
