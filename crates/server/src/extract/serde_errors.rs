//! Turns what serde says about a value into a field error: the path, a stable code, a sentence without the value.

use domain::problem::FieldError;

/// The field error for serde's message at this path. The rejected value is never repeated.
pub(super) fn field_error(path: &str, message: &str) -> FieldError {
    let message = strip_position(message);
    if let Some(name) = between(message, "missing field `", "`") {
        return FieldError::new(join(path, name), "required", "is missing");
    }
    if let Some(name) = between(message, "duplicate field `", "`") {
        return FieldError::new(join(path, name), "duplicate_field", "is given twice");
    }
    if let Some(name) = between(message, "unknown field `", "`") {
        let known = message.split_once(", ").map_or("", |(_, rest)| rest);
        let field = if path.rsplit('.').next() == Some(name) {
            path.to_owned()
        } else {
            join(path, name)
        };
        return FieldError::new(field, "unknown_field", format!("is not known here: {known}"));
    }
    let field = if path == "." || path.is_empty() {
        "body"
    } else {
        path
    };
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("unknown variant") => {
            FieldError::new(field, "unknown_value", format!("must be {expected}"))
        }
        Some((found, expected)) if found.starts_with("invalid length") => {
            FieldError::new(field, "invalid_length", format!("must be {expected}"))
        }
        Some((found, expected)) if found.starts_with("invalid type") => {
            FieldError::new(field, "wrong_type", format!("must be {expected}"))
        }
        Some((found, expected)) if found.starts_with("invalid value") => {
            FieldError::new(field, "invalid_value", format!("must be {expected}"))
        }
        _ => FieldError::new(field, "invalid_value", message),
    }
}

fn strip_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split_once(end).map(|(inner, _)| inner)
}

fn join(path: &str, name: &str) -> String {
    if path == "." || path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
