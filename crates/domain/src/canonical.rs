//! Canonical JSON (JCS, RFC 8785) and the bounds on data that people attach to items and events.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::problem::FieldError;

/// Most bytes attached data may take in canonical form: 64 KiB.
pub const MAX_DATA_BYTES: usize = 64 * 1024;
/// Deepest nesting of attached data; the outermost object is level 1.
pub const MAX_DATA_DEPTH: usize = 16;
/// Largest integer that JSON numbers carry exactly (RFC 7493, section 2.2): 2^53 - 1.
const MAX_EXACT: u64 = (1 << 53) - 1;
/// The same as a number with a fraction.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_991.0;

/// A value without a canonical form, such as one with a number that is not finite.
#[derive(Debug, thiserror::Error)]
#[error("the value has no canonical JSON form")]
pub struct CanonicalError(#[source] serde_json::Error);

/// The canonical bytes of a value after RFC 8785: sorted names, no white space, numbers as ECMAScript writes them.
///
/// # Errors
/// If the value cannot be serialised as JSON.
pub fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    serde_json_canonicalizer::to_vec(value).map_err(CanonicalError)
}

/// SHA-256 of the value's canonical bytes.
///
/// # Errors
/// If the value cannot be serialised as JSON.
pub fn digest(value: &impl Serialize) -> Result<[u8; 32], CanonicalError> {
    to_bytes(value).map(|bytes| Sha256::digest(bytes).into())
}

/// Checks data attached to an item or event: a JSON object within size and depth, with numbers that stay exact.
#[must_use]
pub fn check_data(field: &str, data: &Value) -> Vec<FieldError> {
    if !data.is_object() {
        return vec![FieldError::new(
            field,
            "wrong_type",
            format!("must be a JSON object, not {}", kind_of(data)),
        )];
    }
    let mut errors = Vec::new();
    check_level(field, data, 1, &mut errors);
    if !errors.is_empty() {
        return errors;
    }
    let size = to_bytes(data).map_or(usize::MAX, |bytes| bytes.len());
    if size > MAX_DATA_BYTES {
        let message = format!("takes {size} bytes in canonical form; at most {MAX_DATA_BYTES} are allowed");
        errors.push(FieldError::new(field, "too_large", message));
    }
    errors
}

/// Reports the first place on each branch that is too deep or holds a number canonical JSON would change.
fn check_level(path: &str, value: &Value, depth: usize, errors: &mut Vec<FieldError>) {
    if depth > MAX_DATA_DEPTH && (value.is_object() || value.is_array()) {
        if errors.is_empty() {
            let message = format!("is nested more than {MAX_DATA_DEPTH} levels deep");
            errors.push(FieldError::new(path, "too_deep", message));
        }
        return;
    }
    match value {
        Value::Number(number) if !is_exact(number) => {
            let message = "is beyond 2^53 - 1 and would lose digits: send it as a string";
            errors.push(FieldError::new(path, "inexact_number", message));
        }
        Value::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                check_level(&format!("{path}[{index}]"), entry, depth + 1, errors);
            }
        }
        Value::Object(map) => {
            for (name, entry) in map {
                check_level(&format!("{path}.{name}"), entry, depth + 1, errors);
            }
        }
        _ => {}
    }
}

fn is_exact(number: &serde_json::Number) -> bool {
    match (number.as_u64(), number.as_i64()) {
        (Some(unsigned), _) => unsigned <= MAX_EXACT,
        (None, Some(signed)) => signed.unsigned_abs() <= MAX_EXACT,
        // Whole numbers beyond 64 bits, and those written with a fraction or an exponent, come as floating point: above
        // 2^53 each is whole, and nobody can tell any more whether it is the number that was sent.
        (None, None) => number
            .as_f64()
            .is_some_and(|float| float.abs() <= MAX_EXACT_FLOAT),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
