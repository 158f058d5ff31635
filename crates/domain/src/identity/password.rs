//! What a password must satisfy: length, and not being the name. No rules about kinds of characters (NIST SP 800-63B-4, 3.1.1.2).

use super::{Email, Username};
use crate::problem::FieldError;

/// Fewest characters.
pub const MIN_CHARACTERS: usize = 10;
/// Most bytes; keeps the hashing's cost bounded.
pub const MAX_BYTES: usize = 256;

/// Checks a new password. The message tells the rule, never the password.
#[must_use]
pub fn check_password(password: &str, username: &Username, email: Option<&Email>) -> Option<FieldError> {
    let error = |code, message: String| Some(FieldError::new("password", code, message));
    if password.chars().count() < MIN_CHARACTERS {
        return error(
            "too_short",
            format!("must have at least {MIN_CHARACTERS} characters"),
        );
    }
    if password.len() > MAX_BYTES {
        return error("too_long", format!("must have at most {MAX_BYTES} bytes"));
    }
    let same = |text: &str| password.trim().eq_ignore_ascii_case(text);
    if same(username.as_str()) {
        return error("same_as_username", "must not be the username".to_owned());
    }
    if email.is_some_and(|email| same(email.as_str())) {
        return error("same_as_email", "must not be the e-mail address".to_owned());
    }
    let first = password.chars().next();
    if password.chars().all(|character| Some(character) == first) {
        return error("one_character", "must not repeat one single character".to_owned());
    }
    None
}
