//! JSON text to values, without a tree in between, and values to JSON for reports.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Number, Value};

/// Reads a whole JSON text. Nesting is limited by the reader (128 levels). Integers keep their digits, however long.
pub(crate) fn parse_json(text: &str) -> Result<Value, serde_json::Error> {
    let literals = RefCell::new(if has_long_number(text) {
        long_numbers(text)
    } else {
        VecDeque::new()
    });
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = ValueVisitor { literals: &literals }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Fewest digits of an integer that the reader may take for a float.
const LONG: usize = 19;

/// Whether so many digits stand in a row anywhere. Looks at one byte in nineteen, for most texts have none.
fn has_long_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: &[u8]| range.iter().take_while(|b| b.is_ascii_digit()).count();
    (LONG - 1..bytes.len()).step_by(LONG).any(|at| {
        let before = bytes[..at]
            .iter()
            .rev()
            .take_while(|b| b.is_ascii_digit())
            .count();
        before + digits(&bytes[at..]) >= LONG
    })
}

/// The numbers that the reader gives as floats, in the order of the text: the literal of each that is an integer.
fn long_numbers(text: &str) -> VecDeque<Option<String>> {
    let mut found = VecDeque::new();
    let (mut rest, mut quoted) = (text, false);
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\' | '-' | '0'..='9')) {
        let token = &rest[at..];
        let length = match token.as_bytes()[0] {
            b'\\' => 1 + token.chars().nth(1).map_or(0, char::len_utf8),
            b'"' => {
                quoted = !quoted;
                1
            }
            _ if quoted => 1,
            _ => {
                let end = token.find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
                let literal = &token[..end.unwrap_or(token.len())];
                found.extend(as_float(literal));
                literal.len()
            }
        };
        rest = &token[length..];
    }
    found
}

/// `None` if the reader gives the number as an integer; else its digits, if it is one.
fn as_float(literal: &str) -> Option<Option<String>> {
    if literal.contains(['.', 'e', 'E']) || literal == "-0" {
        return Some(None);
    }
    let fits = literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok();
    (!fits).then(|| Some(literal.to_string()))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        ValueVisitor {
            literals: &RefCell::default(),
        }
        .deserialize(deserializer)
    }
}

/// Reads a value; `literals` are those of the floats that are still to come, if there is an integer among them.
#[derive(Clone, Copy)]
struct ValueVisitor<'a> {
    literals: &'a RefCell<VecDeque<Option<String>>>,
}

impl<'de> DeserializeSeed<'de> for ValueVisitor<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
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
        let digits = self.literals.borrow_mut().pop_front().flatten();
        Ok(Value::Number(digits.map_or(Number::Float(v), Number::Big)))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_string()))
    }

    fn visit_string<E: de::Error>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value_seed(self)?));
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_digits_beside_floats_and_in_any_place() {
        let text = r#"{"a": [1.5, -0, 123456789012345678901234567890], "1234567890123456789012": "\"98765432109876543210987",
            "b": {"c": -98765432109876543210987, "d": 18446744073709551616, "e": 18446744073709551615, "f": 1e30}, "g": 7}"#;
        let shown = |pointer: &[usize]| {
            let step = |value: Value, at: &usize| match value {
                Value::List(mut items) => items.swap_remove(*at),
                Value::Object(mut members) => members.swap_remove(*at).1,
                other => other,
            };
            pointer.iter().fold(parse_json(text).unwrap(), step)
        };
        for (pointer, expected) in [
            (&[0, 0][..], "1.5"),
            (&[0, 2], "123456789012345678901234567890"),
            (&[1], "\"98765432109876543210987"),
            (&[2, 0], "-98765432109876543210987"),
            (&[2, 1], "18446744073709551616"),
            (&[2, 2], "18446744073709551615"),
            (&[2, 3], "1000000000000000000000000000000.0"),
            (&[3], "7"),
        ] {
            assert_eq!(shown(pointer).to_string(), expected, "{pointer:?}");
        }
        assert!(matches!(shown(&[2, 0]), Value::Number(Number::Big(_))));
        assert!(matches!(shown(&[0, 1]), Value::Number(Number::Float(_))));
        for at in 0..40 {
            let padded = format!("{}12345678901234567890123", " ".repeat(at));
            assert_eq!(parse_json(&padded).unwrap().to_string(), padded.trim());
        }
    }
}
