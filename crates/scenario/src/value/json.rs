//! JSON text to values, without a tree in between, and values to JSON for reports.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Number, Value};

/// Reads a whole JSON text. Nesting is limited by the reader (128 levels).
pub(crate) fn parse_json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::Integer(v)))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        let number = i64::try_from(v).map_or_else(|_| Number::Big(v.to_string()), Number::Integer);
        Ok(Value::Number(number))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Number(Number::Float(v)))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_string()))
    }

    fn visit_string<E: de::Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            members.push((name, value));
        }
        Ok(Value::Object(without_duplicates(members)))
    }
}

/// Of members with one name the last counts, at the place of the first.
fn without_duplicates(members: Vec<(String, Value)>) -> Vec<(String, Value)> {
    if are_distinct(&members) {
        return members;
    }
    let mut index = std::collections::HashMap::new();
    let mut kept: Vec<(String, Value)> = Vec::new();
    for (name, value) in members {
        match index.get(&name) {
            Some(&at) => {
                let slot: &mut (String, Value) = &mut kept[at];
                slot.1 = value;
            }
            None => {
                index.insert(name.clone(), kept.len());
                kept.push((name, value));
            }
        }
    }
    kept
}

/// Few names are compared with each other, which takes no memory.
fn are_distinct(members: &[(String, Value)]) -> bool {
    let mut names = members.iter().map(|(name, _)| name.as_str());
    if members.len() <= 8 {
        return (1..members.len()).all(|i| names.clone().take(i).all(|name| name != members[i].0));
    }
    let mut seen = std::collections::HashSet::with_capacity(members.len());
    names.all(|name| seen.insert(name))
}

impl Serialize for Value {
    /// As Hurl writes captures: bytes in Base64, dates as text, large integers as their digits in text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(v) => serializer.serialize_bool(*v),
            Value::Number(Number::Integer(v)) => serializer.serialize_i64(*v),
            Value::Number(Number::Float(v)) => serializer.serialize_f64(*v),
            Value::Number(Number::Big(digits)) => match digits.parse::<u64>() {
                Ok(v) => serializer.serialize_u64(v),
                Err(_) => serializer.serialize_str(digits),
            },
            Value::String(v) => serializer.serialize_str(v),
            Value::Bytes(v) => {
                use base64::Engine as _;
                serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(v))
            }
            Value::List(values) => serializer.collect_seq(values),
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Value::Nodeset(size) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "nodeset")?;
                map.serialize_entry("size", size)?;
                map.end()
            }
            Value::Redirect { status, location } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("location", location)?;
                map.serialize_entry("status", status)?;
                map.end()
            }
            Value::Regex(regex) => serializer.serialize_str(regex.as_str()),
            Value::Date(_) => serializer.serialize_str(&self.to_string()),
        }
    }
}
