//! Migrations on SQLite. Blocks: called from a blocking thread.

use rusqlite::{Connection, TransactionBehavior};

use super::{Applied, Change, Goal, LIST, Migration, Roles, TABLE, next};
use crate::sqlite::{classify, open};
use crate::{DbConfig, DbError, Engine, SqliteConfig};

/// Reads what is applied and changes the next in the same transaction, until the goal is reached.
pub(super) fn change(
    target: &SqliteConfig,
    config: &DbConfig,
    migrations: &[Migration],
    goal: Goal,
) -> Result<Vec<i64>, DbError> {
    let mut connection = open(target, config)?;
    let mut done = Vec::new();
    while let Some(version) = step(&mut connection, migrations, goal)? {
        done.push(version);
    }
    Ok(done)
}

fn step(connection: &mut Connection, migrations: &[Migration], goal: Goal) -> Result<Option<i64>, DbError> {
    let fail = |e| classify("migrate", e);
    let unit = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(fail)?;
    unit.execute_batch(TABLE).map_err(fail)?;
    let roles = Roles { app: "", system: "" };
    let applied = list(&unit).map_err(fail)?;
    let Some(change) = next(goal, migrations, &applied, Engine::Sqlite, roles)? else {
        return Ok(None);
    };
    let Change {
        version,
        name,
        text,
        entry,
    } = change;
    let fail = |e| classify(name, e);
    unit.execute_batch(&text).map_err(fail)?;
    unit.execute_batch(&entry).map_err(fail)?;
    unit.commit().map_err(fail)?;
    Ok(Some(version))
}

fn list(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let applied = |r: &rusqlite::Row<'_>| {
        Ok(Applied {
            version: r.get(0)?,
            name: r.get(1)?,
            checksum: r.get(2)?,
            at: r.get(3)?,
        })
    };
    connection.prepare(LIST)?.query_map([], applied)?.collect()
}

/// What is applied; nothing if the table is not there yet.
pub(super) fn applied(target: &SqliteConfig, config: &DbConfig) -> Result<Vec<Applied>, DbError> {
    let connection = open(target, config)?;
    let read = || {
        if connection.table_exists(None, "schema_migrations")? {
            list(&connection)
        } else {
            Ok(Vec::new())
        }
    };
    read().map_err(|e| classify("migrate", e))
}
