//! One line of text that people give: a name, a source, a tag. What it means is checked where it belongs.

use crate::problem::FieldError;

/// Checks a line: 1 to `max` characters, white space around it not counted, and no control character in it.
pub(crate) fn check_line(field: impl Into<String>, text: &str, max: usize) -> Option<FieldError> {
    let length = text.trim().chars().count();
    if length == 0 || length > max {
        let message = format!("must have 1 to {max} characters");
        return Some(FieldError::new(field, "length", message));
    }
    let message = "must not contain control characters";
    text.chars()
        .any(char::is_control)
        .then(|| FieldError::new(field, "control_character", message))
}
