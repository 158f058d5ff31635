//! Prepared statements of one connection, found by the address of their declaration.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{Connection, Statement};

use super::bind::{bind, classify};
use crate::connection::Outcome;
use crate::{DbError, Engine, Row, Sql, Value, signal};

struct Prepared<'c> {
    statement: Statement<'c>,
    columns: Arc<[String]>,
    read_only: bool,
}

/// The statements prepared on a connection.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    prepared: HashMap<usize, Prepared<'c>>,
    /// Topics to be woken after the commit.
    wakes: Vec<&'static str>,
}

impl<'c> Statements<'c> {
    pub fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            prepared: HashMap::new(),
            wakes: Vec::new(),
        }
    }

    /// The topics that were to be woken since the last call. Some may be of units that failed: a listener that is
    /// woken for nothing finds nothing.
    pub fn wakes(&mut self) -> impl Iterator<Item = &'static str> {
        self.wakes.drain(..)
    }

    /// Runs a statement to its end.
    pub fn run(&mut self, sql: &'static Sql, args: &[Value]) -> Result<Outcome, DbError> {
        if std::ptr::eq(sql, &raw const signal::WAKE) {
            self.wakes
                .extend(signal::topic(args).filter(|topic| !self.wakes.contains(topic)));
        }
        let connection = self.connection;
        let prepared = match self.prepared.entry(sql.key()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(prepare(connection, sql)?),
        };
        let statement = &mut prepared.statement;
        if statement.parameter_count() != args.len() {
            let reason = format!(
                "takes {} arguments, got {}",
                statement.parameter_count(),
                args.len()
            );
            return Err(DbError::other(sql.name, reason));
        }
        let fail = |e| classify(sql.name, e);
        for (index, value) in args.iter().enumerate() {
            bind(statement, index + 1, value).map_err(fail)?;
        }
        let mut out = Vec::new();
        let width = prepared.columns.len();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(fail)? {
            let values: Result<Vec<_>, _> = (0..width)
                .map(|i| row.get::<_, rusqlite::types::Value>(i))
                .collect();
            out.push(Row::sqlite(prepared.columns.clone(), values.map_err(fail)?));
        }
        drop(rows);
        let affected = if prepared.read_only {
            out.len() as u64
        } else {
            connection.changes()
        };
        Ok(Outcome { rows: out, affected })
    }
}

fn prepare<'c>(connection: &'c Connection, sql: &'static Sql) -> Result<Prepared<'c>, DbError> {
    let text = sql
        .expand(Engine::Sqlite)
        .map_err(|reason| DbError::other(sql.name, reason))?;
    let statement = connection.prepare(&text).map_err(|e| classify(sql.name, e))?;
    let columns = statement.column_names().map(str::to_owned).collect();
    let read_only = statement.readonly();
    Ok(Prepared {
        statement,
        columns,
        read_only,
    })
}
