//! Between domain types and the engine's values: binding arguments, reading columns.
//!
//! Here because `domain` knows no engine and `db` knows no resource. A row that makes no sense is an error that names
//! the column, never a default.

use std::{fmt::Display, str::FromStr};

use db::{DbError, JsonText, Micros, Row, Value};
use domain::{dfid::Dfid, ids::Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// What may stand as an argument of a statement.
pub trait Bind {
    /// The value as the engine takes it.
    fn bind(self) -> Value;
}

macro_rules! bind_ids {
    ($($id:ident),+ $(,)?) => { $(
        impl Bind for domain::ids::$id {
            fn bind(self) -> Value { Value::Uuid(self.uuid()) }
        }
    )+ };
}

bind_ids!(
    ActivityId,
    ApiKeyId,
    AuditId,
    CircuitId,
    EventId,
    IncidentId,
    InvitationId,
    JobId,
    JoinRequestId,
    MovementId,
    OperationId,
    OutboxId,
    PendingItemId,
    SessionId,
    UserId,
    WorkspaceId,
);

macro_rules! bind_values {
    ($($type:ty),+ $(,)?) => { $(
        impl Bind for $type {
            fn bind(self) -> Value { Value::from(self) }
        }
    )+ };
}

bind_values!(
    bool,
    i64,
    u32,
    f64,
    String,
    &str,
    Vec<u8>,
    Uuid,
    JsonText,
    Vec<String>,
    Vec<Uuid>,
    Vec<i64>
);

impl Bind for &String {
    fn bind(self) -> Value {
        Value::Text(self.clone())
    }
}

impl Bind for &[u8] {
    fn bind(self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl<const N: usize> Bind for [u8; N] {
    fn bind(self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl Bind for Timestamp {
    fn bind(self) -> Value {
        Value::Time(self.micros())
    }
}

impl Bind for Dfid {
    fn bind(self) -> Value {
        Value::Text(self.to_string())
    }
}

impl<T: Bind> Bind for Option<T> {
    fn bind(self) -> Value {
        self.map_or(Value::Null, Bind::bind)
    }
}

/// Serialises a value that is JSON by construction (string keys, no foreign numbers), for a JSON column.
pub fn json(value: &impl Serialize) -> JsonText {
    // Our own types cannot fail to serialise; `null` would break a `not null` column's reader loudly, not silently.
    JsonText(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
}

/// The pattern by which `like … escape '\'` finds the texts that contain this one: its own `%` and `_` mean themselves.
pub(crate) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The arguments of a statement, in the order of their numbers.
#[macro_export]
macro_rules! bind {
    ($($value:expr),* $(,)?) => { vec![$($crate::bind::Bind::bind($value)),*] };
}

/// Reading columns as domain types.
pub trait Columns {
    /// An id.
    fn id<T: From<Uuid>>(&self, column: &'static str) -> Result<T, DbError>;
    /// An id that may be absent.
    fn maybe_id<T: From<Uuid>>(&self, column: &'static str) -> Result<Option<T>, DbError>;
    /// A word of a closed set, or anything else that reads itself from a text.
    fn word<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T, DbError>;
    /// The same, when it may be absent.
    fn maybe_word<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<Option<T>, DbError>;
    /// A moment.
    fn time(&self, column: &'static str) -> Result<Timestamp, DbError>;
    /// A moment that may be absent.
    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, DbError>;
    /// A text.
    fn text(&self, column: &'static str) -> Result<String, DbError>;
    /// A count or version: never negative.
    fn version(&self, column: &'static str) -> Result<u64, DbError>;
    /// A JSON document, read into a type.
    fn document<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, DbError>;
    /// A JSON document that may be absent.
    fn maybe_document<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, DbError>;
}

fn corrupt(column: &str, reason: &impl Display) -> DbError {
    DbError::Corrupt {
        column: column.to_owned(),
        reason: reason.to_string(),
    }
}

impl Columns for Row {
    fn id<T: From<Uuid>>(&self, column: &'static str) -> Result<T, DbError> {
        self.get::<Uuid>(column).map(T::from)
    }

    fn maybe_id<T: From<Uuid>>(&self, column: &'static str) -> Result<Option<T>, DbError> {
        Ok(self.get::<Option<Uuid>>(column)?.map(T::from))
    }

    fn word<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<T, DbError> {
        self.get::<String>(column)?
            .parse()
            .map_err(|error| corrupt(column, &error))
    }

    fn maybe_word<T: FromStr<Err: Display>>(&self, column: &'static str) -> Result<Option<T>, DbError> {
        self.get::<Option<String>>(column)?
            .map(|text| text.parse().map_err(|error| corrupt(column, &error)))
            .transpose()
    }

    fn time(&self, column: &'static str) -> Result<Timestamp, DbError> {
        self.get::<Micros>(column)
            .map(|micros| Timestamp::from_micros(micros.0))
    }

    fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, DbError> {
        Ok(self
            .get::<Option<Micros>>(column)?
            .map(|micros| Timestamp::from_micros(micros.0)))
    }

    fn text(&self, column: &'static str) -> Result<String, DbError> {
        self.get(column)
    }

    fn version(&self, column: &'static str) -> Result<u64, DbError> {
        self.get::<i64>(column)?
            .try_into()
            .map_err(|error| corrupt(column, &error))
    }

    fn maybe_document<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, DbError> {
        let text = self.get::<Option<JsonText>>(column)?;
        text.map(|text| serde_json::from_str(&text.0).map_err(|error| corrupt(column, &error)))
            .transpose()
    }

    fn document<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, DbError> {
        let text = self.get::<JsonText>(column)?;
        serde_json::from_str(&text.0).map_err(|error| corrupt(column, &error))
    }
}
