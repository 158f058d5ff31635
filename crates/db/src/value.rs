//! What can be bound to a statement's parameters.

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::row::{JsonText, Micros};

/// A parameter of a statement.
///
/// | | PostgreSQL | SQLite |
/// | --- | --- | --- |
/// | `Bool` | boolean | integer 0 or 1 |
/// | `Uuid` | uuid | text, hyphenated, lower case |
/// | `Json`, `JsonText` | json | text |
/// | `Time` | timestamptz | integer |
/// | `Uuids`, `Texts`, `I64s` | an array | a JSON array, for `{any:$n}` |
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL null, of whatever type the parameter has.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number; also binds to the smaller integer types if it fits.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Text.
    Text(String),
    /// Text known at compile time.
    Static(&'static str),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An id.
    Uuid(Uuid),
    /// A JSON document.
    Json(serde_json::Value),
    /// A JSON document that is text already. The caller vouches that it is valid.
    JsonText(String),
    /// An instant, in microseconds since 1970-01-01 UTC.
    Time(i64),
    /// Ids, for `{any:$n}`.
    Uuids(Vec<Uuid>),
    /// Texts, for `{any:$n}`.
    Texts(Vec<String>),
    /// Whole numbers, for `{any:$n}`.
    I64s(Vec<i64>),
}

macro_rules! from {
    ($($type:ty => |$v:ident| $value:expr),* $(,)?) => {
        $(impl From<$type> for Value { fn from($v: $type) -> Self { $value } })*
    };
}

from! {
    bool => |v| Self::Bool(v),
    i64 => |v| Self::I64(v),
    i32 => |v| Self::I64(v.into()),
    i16 => |v| Self::I64(v.into()),
    u32 => |v| Self::I64(v.into()),
    u16 => |v| Self::I64(v.into()),
    u8 => |v| Self::I64(v.into()),
    f64 => |v| Self::F64(v),
    String => |v| Self::Text(v),
    &String => |v| Self::Text(v.clone()),
    &str => |v| Self::Text(v.to_owned()),
    Vec<u8> => |v| Self::Bytes(v),
    &[u8] => |v| Self::Bytes(v.to_vec()),
    Uuid => |v| Self::Uuid(v),
    &Uuid => |v| Self::Uuid(*v),
    serde_json::Value => |v| Self::Json(v),
    &serde_json::Value => |v| Self::JsonText(v.to_string()),
    Box<RawValue> => |v| Self::JsonText(Box::<str>::from(v).into_string()),
    &RawValue => |v| Self::JsonText(v.get().to_owned()),
    JsonText => |v| Self::JsonText(v.0),
    Micros => |v| Self::Time(v.0),
    Vec<Uuid> => |v| Self::Uuids(v),
    &[Uuid] => |v| Self::Uuids(v.to_vec()),
    Vec<String> => |v| Self::Texts(v),
    Vec<i64> => |v| Self::I64s(v),
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value {
    /// The variant's name, for messages about a parameter that does not fit.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::I64(_) => "an integer",
            Self::F64(_) => "a float",
            Self::Text(_) | Self::Static(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "a uuid",
            Self::Json(_) | Self::JsonText(_) => "a JSON document",
            Self::Time(_) => "a time",
            Self::Uuids(_) => "a list of uuids",
            Self::Texts(_) => "a list of texts",
            Self::I64s(_) => "a list of integers",
        }
    }
}

/// The arguments of a statement, each by its `Into<Value>`: `args![workspace, id, &code]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::Value::from($value)),*] };
}
