//! Migrations on PostgreSQL, as the login user, who owns the tables.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{Applied, Change, Goal, LIST, Migration, Roles, TABLE, next};
use crate::postgres::{classify, connect_login};
use crate::{DbError, Engine, PostgresConfig};

/// Any number, the same in every process: one migrates at a time per database. Whoever waits longer gives up.
const LOCK: &str = "set lock_timeout = '60s'; select pg_advisory_lock(7220113)";
/// Roles belong to the whole cluster: those who migrate other databases of it may be creating them too.
const ROLE_ATTEMPTS: usize = 50;

/// Takes the lock, reads what is applied, and changes one after the other, each in a transaction of its own.
pub(super) async fn change(
    target: &PostgresConfig,
    migrations: &[Migration],
    goal: Goal,
) -> Result<Vec<i64>, DbError> {
    let mut client = connect_login(target).await?;
    let fail = |e| classify("migrate", e);
    client.batch_execute(LOCK).await.map_err(fail)?;
    prepare_roles(&client, target).await?;
    client.batch_execute(TABLE).await.map_err(fail)?;
    let roles = Roles {
        app: &target.app_role,
        system: &target.system_role,
    };
    let mut done = Vec::new();
    loop {
        let applied = list(&client).await?;
        let Some(change) = next(goal, migrations, &applied, Engine::Postgres, roles)? else {
            return Ok(done);
        };
        done.push(step(&mut client, change).await?);
    }
}

async fn step(client: &mut Client, change: Change) -> Result<i64, DbError> {
    let fail = |e| classify(change.name, e);
    let unit = client.transaction().await.map_err(fail)?;
    unit.batch_execute(&change.text).await.map_err(fail)?;
    unit.batch_execute(&change.entry).await.map_err(fail)?;
    unit.commit().await.map_err(fail)?;
    Ok(change.version)
}

async fn list(client: &Client) -> Result<Vec<Applied>, DbError> {
    let rows = client
        .query(LIST, &[])
        .await
        .map_err(|e| classify("migrate", e))?;
    let applied = |r: &tokio_postgres::Row| Applied {
        version: r.get(0),
        name: r.get(1),
        checksum: r.get(2),
        at: r.get(3),
    };
    Ok(rows.iter().map(applied).collect())
}

/// What is applied; nothing if the table is not there yet.
pub(super) async fn applied(target: &PostgresConfig) -> Result<Vec<Applied>, DbError> {
    let client = connect_login(target).await?;
    let row = client
        .query_one("select to_regclass('schema_migrations') is not null", &[])
        .await
        .map_err(|e| classify("migrate", e))?;
    if row.get(0) {
        list(&client).await
    } else {
        Ok(Vec::new())
    }
}

/// No lock reaches beyond one database, so a collision over a role is answered by trying again.
async fn prepare_roles(client: &Client, target: &PostgresConfig) -> Result<(), DbError> {
    let text = prelude(target);
    for _ in 1..ROLE_ATTEMPTS {
        match client.batch_execute(&text).await {
            Err(error) if collided(&error) => {}
            other => return other.map_err(|e| classify("migrate", e)),
        }
    }
    client
        .batch_execute(&text)
        .await
        .map_err(|e| classify("migrate", e))
}

/// `XX000` is what "tuple concurrently updated" comes with.
fn collided(error: &tokio_postgres::Error) -> bool {
    let collisions = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_OBJECT,
        SqlState::INTERNAL_ERROR,
    ];
    error.code().is_some_and(|code| collisions.contains(code))
}

/// Roles and the function that row-level security calls. Changes nothing if all is there.
fn prelude(target: &PostgresConfig) -> String {
    let mut out = String::new();
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
    out + "create or replace function app_workspaces() returns uuid[] language sql stable parallel safe as
        $$ select nullif(current_setting('app.workspaces', true), '')::uuid[] $$;"
}
