//! The character U+0000, which PostgreSQL keeps in no text: how it is found where text is read, and named.
//!
//! Whoever reads text from outside asks here; nothing behind them looks for the character again.

use serde_json::Value;

use crate::problem::FieldError;

/// How JSON writes the character; in the clear it is no JSON (RFC 8259, section 7).
const ESCAPED: &[u8] = b"\\u0000";

/// The error about a field that holds the character.
#[must_use]
pub fn error(field: &str) -> FieldError {
    FieldError::new(field, "nul_character", "must not hold the character U+0000")
}

/// The first member of a JSON text that holds the character, in its value or in a name within it; `whole` is what the
/// outermost value is called. Nothing for what is no JSON.
///
/// Nearly no text holds the escape, and only one that does is read: the escape may also be the end of an escaped
/// backslash and four noughts.
#[must_use]
pub fn in_json(whole: &str, text: &[u8]) -> Option<FieldError> {
    if !text.windows(ESCAPED.len()).any(|part| part == ESCAPED) {
        return None;
    }
    let place = find("", &serde_json::from_slice(text).ok()?)?;
    Some(error(if place.is_empty() { whole } else { &place }))
}

/// The path of the first value with the character; of an object for a name in it.
fn find(path: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(|| path.to_owned()),
        Value::Array(list) => {
            let mut entries = list.iter().enumerate();
            entries.find_map(|(index, entry)| find(&format!("{path}[{index}]"), entry))
        }
        Value::Object(map) if map.keys().any(|name| name.contains('\0')) => Some(path.to_owned()),
        Value::Object(map) => map.iter().find_map(|(name, entry)| {
            let point = if path.is_empty() { "" } else { "." };
            find(&format!("{path}{point}{name}"), entry)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
