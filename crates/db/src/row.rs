//! Rows and how a column becomes a Rust value.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::types::ValueRef;
use serde_json::value::RawValue;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::DbError;

/// One row of a result.
#[derive(Debug)]
pub struct Row {
    data: Data,
    /// Where the next column is expected, so that reading in listed order needs no search.
    next: AtomicUsize,
}

#[derive(Debug)]
enum Data {
    Sqlite {
        columns: Arc<[String]>,
        values: Vec<rusqlite::types::Value>,
    },
    Postgres(tokio_postgres::Row),
}

impl Row {
    pub(crate) const fn sqlite(columns: Arc<[String]>, values: Vec<rusqlite::types::Value>) -> Self {
        Self {
            data: Data::Sqlite { columns, values },
            next: AtomicUsize::new(0),
        }
    }

    pub(crate) const fn postgres(row: tokio_postgres::Row) -> Self {
        Self {
            data: Data::Postgres(row),
            next: AtomicUsize::new(0),
        }
    }

    /// Reads a column by name. Reading columns in the order the statement lists them costs no search.
    ///
    /// # Errors
    /// [`DbError::Corrupt`] naming the column, if it is missing or is not a `T`.
    pub fn get<T: FromValue>(&self, column: &'static str) -> Result<T, DbError> {
        let corrupt = |reason| DbError::Corrupt {
            column: column.to_owned(),
            reason,
        };
        let index = self
            .index_of(column)
            .ok_or_else(|| corrupt("the statement does not return it".to_owned()))?;
        T::from_cell(self.cell(index).map_err(corrupt)?).map_err(corrupt)
    }

    /// The names of the columns, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        (0..self.len()).map(|i| self.name(i)).collect()
    }

    fn index_of(&self, column: &str) -> Option<usize> {
        let expected = self.next.load(Ordering::Relaxed);
        let index = if expected < self.len() && self.name(expected) == column {
            expected
        } else {
            (0..self.len()).find(|&i| self.name(i) == column)?
        };
        self.next.store(index + 1, Ordering::Relaxed);
        Some(index)
    }

    fn len(&self) -> usize {
        match &self.data {
            Data::Sqlite { columns, .. } => columns.len(),
            Data::Postgres(row) => row.len(),
        }
    }

    fn name(&self, index: usize) -> &str {
        match &self.data {
            Data::Sqlite { columns, .. } => &columns[index],
            Data::Postgres(row) => row.columns()[index].name(),
        }
    }

    fn cell(&self, index: usize) -> Result<Cell<'_>, String> {
        Ok(match &self.data {
            Data::Sqlite { values, .. } => Cell(Raw::Sqlite(ValueRef::from(&values[index]))),
            Data::Postgres(row) => {
                let raw: PostgresCell<'_> = row.try_get(index).map_err(|e| e.to_string())?;
                Cell(Raw::Postgres(row.columns()[index].type_().clone(), raw.0))
            }
        })
    }
}

struct PostgresCell<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for PostgresCell<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A column of a row before it is a Rust value.
#[derive(Debug, Clone)]
pub struct Cell<'a>(Raw<'a>);

#[derive(Debug, Clone)]
enum Raw<'a> {
    Sqlite(ValueRef<'a>),
    Postgres(Type, Option<&'a [u8]>),
}

impl<'a> Cell<'a> {
    const fn is_null(&self) -> bool {
        matches!(self.0, Raw::Sqlite(ValueRef::Null) | Raw::Postgres(_, None))
    }

    fn mismatch(&self, wanted: &str) -> String {
        match &self.0 {
            Raw::Sqlite(value) => format!("expected {wanted}, found {}", value.data_type()),
            Raw::Postgres(_, None) => format!("expected {wanted}, found null"),
            Raw::Postgres(ty, _) => format!("expected {wanted}, found {ty}"),
        }
    }

    fn integer(&self) -> Result<i64, String> {
        let wrong = || self.mismatch("an integer");
        match &self.0 {
            Raw::Sqlite(ValueRef::Integer(value)) => Ok(*value),
            Raw::Postgres(ty, Some(raw)) => match *ty {
                Type::INT8 => Ok(i64::from_be_bytes((*raw).try_into().map_err(|_| wrong())?)),
                Type::INT4 => Ok(i32::from_be_bytes((*raw).try_into().map_err(|_| wrong())?).into()),
                Type::INT2 => Ok(i16::from_be_bytes((*raw).try_into().map_err(|_| wrong())?).into()),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    fn text(&self) -> Result<&'a str, String> {
        let wrong = || self.mismatch("a text");
        let raw = match &self.0 {
            Raw::Sqlite(ValueRef::Text(raw)) => *raw,
            Raw::Postgres(ty, Some(raw)) => match *ty {
                Type::JSONB => {
                    raw.split_first()
                        .filter(|(version, _)| **version == 1)
                        .ok_or_else(wrong)?
                        .1
                }
                Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN | Type::JSON => raw,
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        std::str::from_utf8(raw).map_err(|_| "the text is not UTF-8".to_owned())
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// Reads the cell.
    ///
    /// # Errors
    /// Says which type was expected and which was found, never the value.
    fn from_cell(cell: Cell<'_>) -> Result<Self, String>;
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        if cell.is_null() {
            Ok(None)
        } else {
            T::from_cell(cell).map(Some)
        }
    }
}

impl FromValue for i64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        cell.integer()
    }
}

impl FromValue for i32 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        cell.integer()?
            .try_into()
            .map_err(|_| "the integer does not fit in 32 bits".to_owned())
    }
}

impl FromValue for bool {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match &cell.0 {
            Raw::Sqlite(ValueRef::Integer(value @ (0 | 1))) => Ok(*value == 1),
            Raw::Postgres(Type::BOOL, Some(raw)) => Ok(*raw != [0]),
            _ => Err(cell.mismatch("a boolean")),
        }
    }
}

impl FromValue for f64 {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        let wrong = || cell.mismatch("a float");
        match &cell.0 {
            Raw::Sqlite(ValueRef::Real(value)) => Ok(*value),
            Raw::Postgres(Type::FLOAT8, Some(raw)) => {
                Ok(Self::from_be_bytes((*raw).try_into().map_err(|_| wrong())?))
            }
            Raw::Postgres(Type::FLOAT4, Some(raw)) => {
                Ok(f32::from_be_bytes((*raw).try_into().map_err(|_| wrong())?).into())
            }
            _ => Err(wrong()),
        }
    }
}

impl FromValue for String {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        cell.text().map(str::to_owned)
    }
}

impl FromValue for Vec<u8> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        match &cell.0 {
            Raw::Sqlite(ValueRef::Blob(raw)) | Raw::Postgres(Type::BYTEA, Some(raw)) => Ok(raw.to_vec()),
            _ => Err(cell.mismatch("bytes")),
        }
    }
}

impl FromValue for Uuid {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        let wrong = || cell.mismatch("a uuid");
        match &cell.0 {
            Raw::Sqlite(ValueRef::Text(raw)) => Self::try_parse_ascii(raw).map_err(|_| wrong()),
            Raw::Postgres(Type::UUID, Some(raw)) => Self::from_slice(raw).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl FromValue for serde_json::Value {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        serde_json::from_str(cell.text()?).map_err(|_| "the text is not JSON".to_owned())
    }
}

impl FromValue for Box<RawValue> {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        RawValue::from_string(cell.text()?.to_owned()).map_err(|_| "the text is not JSON".to_owned())
    }
}

/// A JSON document as text, neither parsed nor checked on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText(pub String);

impl FromValue for JsonText {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        cell.text().map(|text| Self(text.to_owned()))
    }
}

/// An instant, in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

/// PostgreSQL counts from 2000-01-01.
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

impl FromValue for Micros {
    fn from_cell(cell: Cell<'_>) -> Result<Self, String> {
        let wrong = || cell.mismatch("a time");
        match &cell.0 {
            Raw::Sqlite(ValueRef::Integer(value)) => Ok(Self(*value)),
            Raw::Postgres(Type::TIMESTAMPTZ, Some(raw)) => {
                let since_2000 = i64::from_be_bytes((*raw).try_into().map_err(|_| wrong())?);
                since_2000
                    .checked_add(POSTGRES_EPOCH_MICROS)
                    .map(Self)
                    .ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}
