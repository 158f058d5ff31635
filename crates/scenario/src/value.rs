//! The values that variables, queries and filters carry.

use std::cmp::Ordering;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use regex::Regex;

mod json;
mod number;

pub(crate) use json::parse_json;
pub use number::Number;

/// A value of a scenario.
#[derive(Clone, Debug)]
pub enum Value {
    /// JSON's `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A number; integers and floats are told apart.
    Number(Number),
    /// Text.
    String(String),
    /// Bytes, such as a body or a digest.
    Bytes(Bytes),
    /// A list, such as a JSON array or several headers of one name.
    List(Vec<Value>),
    /// A JSON object, its members in their order.
    Object(Vec<(String, Value)>),
    /// Nodes found by an XPath expression; only their number is kept.
    Nodeset(usize),
    /// An instant.
    Date(Timestamp),
    /// A regular expression given as the value of a predicate.
    Regex(Regex),
    /// One redirection that was followed.
    Redirect {
        /// The status that redirected.
        status: u16,
        /// Where to, as an absolute URL.
        location: String,
    },
}

/// Two values have types that the operation does not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeMismatch;

impl PartialEq for Value {
    /// Numbers are equal by value: `1` equals `1.0`. A regular expression equals nothing.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a.compare(b) == Ordering::Equal,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Object(a), Value::Object(b)) => a == b,
            (Value::Nodeset(a), Value::Nodeset(b)) => a == b,
            (Value::Date(a), Value::Date(b)) => a == b,
            _ => false,
        }
    }
}

impl Value {
    /// The name of the type, as messages use it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(Number::Float(_)) => "float",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Object(_) => "object",
            Value::Nodeset(_) => "nodeset",
            Value::Date(_) => "date",
            Value::Regex(_) => "regex",
            Value::Redirect { .. } => "http response",
        }
    }

    /// Type and value, as in `string <abc>`.
    pub fn describe(&self) -> String {
        format!("{} <{self}>", self.kind())
    }

    /// The text that a template puts in place of the value; `None` if the type has none.
    pub fn render(&self) -> Option<String> {
        match self {
            Value::Null => Some("null".to_string()),
            Value::Bool(v) => Some(v.to_string()),
            Value::Number(v) => Some(v.to_string()),
            Value::String(v) => Some(v.clone()),
            Value::Date(v) => Some(v.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()),
            _ => None,
        }
    }

    pub(crate) fn integer(value: usize) -> Value {
        Value::Number(Number::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    pub(crate) fn compare(&self, other: &Value) -> Result<Ordering, TypeMismatch> {
        match (self, other) {
            (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => Ok(a.compare(b)),
            (Value::Date(a), Value::Date(b)) => Ok(a.cmp(b)),
            _ => Err(TypeMismatch),
        }
    }

    pub(crate) fn starts_with(&self, prefix: &Value) -> Result<bool, TypeMismatch> {
        match (self, prefix) {
            (Value::String(a), Value::String(b)) => Ok(a.starts_with(b.as_str())),
            (Value::Bytes(a), Value::Bytes(b)) => Ok(a.starts_with(b)),
            _ => Err(TypeMismatch),
        }
    }

    pub(crate) fn ends_with(&self, suffix: &Value) -> Result<bool, TypeMismatch> {
        match (self, suffix) {
            (Value::String(a), Value::String(b)) => Ok(a.ends_with(b.as_str())),
            (Value::Bytes(a), Value::Bytes(b)) => Ok(a.ends_with(b)),
            _ => Err(TypeMismatch),
        }
    }

    pub(crate) fn contains(&self, part: &Value) -> Result<bool, TypeMismatch> {
        match (self, part) {
            (Value::String(a), Value::String(b)) => Ok(a.contains(b.as_str())),
            (Value::Bytes(a), Value::Bytes(b)) => {
                Ok(b.is_empty() || a.windows(b.len()).any(|window| window == b.as_ref()))
            }
            _ => self.includes(part),
        }
    }

    pub(crate) fn includes(&self, element: &Value) -> Result<bool, TypeMismatch> {
        match self {
            Value::List(values) => Ok(values.contains(element)),
            _ => Err(TypeMismatch),
        }
    }

    /// Length of what has one, in elements; a text counts its bytes, as Hurl does.
    pub(crate) fn count(&self) -> Result<usize, TypeMismatch> {
        match self {
            Value::List(v) => Ok(v.len()),
            Value::Object(v) => Ok(v.len()),
            Value::String(v) => Ok(v.len()),
            Value::Bytes(v) => Ok(v.len()),
            Value::Nodeset(v) => Ok(*v),
            _ => Err(TypeMismatch),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Number(v) => write!(f, "{v}"),
            Value::String(v) => f.write_str(v),
            Value::Bytes(v) => f.write_str(&hex::encode(v)),
            Value::List(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Object(_) => f.write_str("Object()"),
            Value::Nodeset(size) => write!(f, "Nodeset(size={size})"),
            Value::Date(v) => write!(f, "{}", v.strftime("%Y-%m-%d %H:%M:%S%.f UTC")),
            Value::Regex(v) => write!(f, "/{}/", v.as_str().replace('/', "\\/")),
            Value::Redirect { status, location } => write!(f, "{status} {location}"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(Number::Integer(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Number(Number::Float(value))
    }
}
