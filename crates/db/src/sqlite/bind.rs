//! Values as SQLite stores them, and its errors in our words.

use std::sync::Arc;

use rusqlite::Statement;
use rusqlite::ffi;
use rusqlite::types::{Null, ToSqlOutput, ValueRef};

use crate::{DbError, Value};

/// Binds a value by its number.
pub(super) fn bind(statement: &mut Statement<'_>, index: usize, value: &Value) -> rusqlite::Result<()> {
    let text = |text: &str| ToSqlOutput::Owned(text.to_owned().into());
    let mut buffer = uuid::Uuid::encode_buffer();
    match value {
        Value::Null => statement.raw_bind_parameter(index, Null),
        Value::Bool(v) => statement.raw_bind_parameter(index, v),
        Value::I64(v) | Value::Time(v) => statement.raw_bind_parameter(index, v),
        Value::F64(v) => statement.raw_bind_parameter(index, v),
        Value::Text(v) | Value::JsonText(v) => statement.raw_bind_parameter(index, v.as_str()),
        Value::Static(v) => statement.raw_bind_parameter(index, v),
        Value::Bytes(v) => statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(ValueRef::Blob(v))),
        Value::Uuid(v) => statement.raw_bind_parameter(index, &*v.hyphenated().encode_lower(&mut buffer)),
        Value::Json(v) => statement.raw_bind_parameter(index, v.to_string()),
        Value::Uuids(v) => {
            statement.raw_bind_parameter(index, text(&list(v.iter().map(ToString::to_string))))
        }
        Value::Texts(v) => statement.raw_bind_parameter(index, text(&list(v.iter().cloned()))),
        Value::I64s(v) => statement.raw_bind_parameter(index, text(&list(v.iter().copied()))),
    }
}

/// A JSON array, for `json_each`.
fn list<T: Into<serde_json::Value>>(items: impl Iterator<Item = T>) -> String {
    items.map(Into::into).collect::<serde_json::Value>().to_string()
}

pub(crate) fn classify(name: &'static str, error: rusqlite::Error) -> DbError {
    let rusqlite::Error::SqliteFailure(code, message) = &error else {
        return DbError::other(name, error);
    };
    let constraint = broken_constraint(message.as_deref());
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE => DbError::Unique {
            constraint: key_name(&constraint, "key"),
            source: Arc::new(error),
        },
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            let table = constraint.split('.').next().unwrap_or_default();
            DbError::Unique {
                constraint: format!("{table}_pkey"),
                source: Arc::new(error),
            }
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => DbError::ForeignKey {
            constraint: String::new(),
            source: Arc::new(error),
        },
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let column = constraint.rsplit('.').next().unwrap_or_default().to_owned();
            DbError::Check {
                constraint: column,
                source: Arc::new(error),
            }
        }
        ffi::SQLITE_CONSTRAINT_CHECK => DbError::Check {
            constraint,
            source: Arc::new(error),
        },
        code => of_kind(name, code & 0xff, error),
    }
}

/// Errors that are told apart by their kind alone.
fn of_kind(name: &'static str, kind: i32, error: rusqlite::Error) -> DbError {
    match kind {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => DbError::unreachable("the file is locked", error),
        ffi::SQLITE_CANTOPEN => DbError::unreachable("cannot open the file", error),
        ffi::SQLITE_INTERRUPT => DbError::Timeout,
        ffi::SQLITE_FULL => DbError::Full {
            source: Arc::new(error),
        },
        _ => DbError::other(name, error),
    }
}

/// What a message names after `UNIQUE constraint failed: ` and the like.
fn broken_constraint(message: Option<&str>) -> String {
    message
        .and_then(|m| m.split_once("failed: "))
        .map_or("", |(_, rest)| rest)
        .to_owned()
}

/// `items.workspace_id, items.code` as PostgreSQL names the constraint: `items_workspace_id_code_key`.
fn key_name(columns: &str, suffix: &str) -> String {
    if let Some(index) = columns.strip_prefix("index '") {
        return index.trim_end_matches('\'').to_owned();
    }
    let table = columns.split('.').next().unwrap_or_default();
    let names: Vec<&str> = columns
        .split(", ")
        .filter_map(|column| column.split_once('.'))
        .map(|(_, name)| name)
        .collect();
    format!("{table}_{}_{suffix}", names.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_grow_is_a_full_disk() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch("pragma max_page_count = 2; create table t (x)")
            .unwrap();
        let error = connection
            .execute("insert into t values (zeroblob(100000))", [])
            .unwrap_err();
        let told = classify("t.insert", error);
        assert!(matches!(told, DbError::Full { .. }), "{told:?}");
    }
}
