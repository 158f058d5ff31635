//! Usernames, e-mail addresses, workspace names and their slugs.

use std::{fmt, hash};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{problem::FieldError, text::check_line};

/// Bounds of a username, in characters.
const USERNAME: std::ops::RangeInclusive<usize> = 3..=64;
/// Longest address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const MAX_EMAIL: usize = 254;
/// Longest part before the `@` (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// Longest name of a workspace, in characters.
const MAX_WORKSPACE_NAME: usize = 128;
/// Longest slug.
const MAX_SLUG: usize = 48;

/// A username: 3 to 64 of `a-z A-Z 0-9 . _ -`. Kept as written, compared without case.
///
/// Only ASCII is allowed, so no two names look alike under Unicode normalisation.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Checks a username.
    ///
    /// # Errors
    /// A field error about `username` that says what is wrong.
    pub fn new(text: &str) -> Result<Self, FieldError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(wrong) = text.chars().find(|character| !allowed(*character)) {
            let message = format!("consists of a-z, A-Z, 0-9, `.`, `_` and `-`; {wrong:?} is not allowed");
            return Err(FieldError::new("username", "bad_character", message));
        }
        if !USERNAME.contains(&text.len()) {
            let message = format!("must have {} to {} characters", USERNAME.start(), USERNAME.end());
            return Err(FieldError::new("username", "length", message));
        }
        Ok(Self(text.to_owned()))
    }
}

/// An e-mail address, checked pragmatically: whether mail arrives is learnt by sending it. Compared without case.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Checks an address; white space around it is dropped.
    ///
    /// # Errors
    /// A field error about `email` that says what is wrong.
    pub fn new(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        let wrong = |message: &str| FieldError::new("email", "malformed", message);
        if text.len() > MAX_EMAIL {
            return Err(FieldError::new(
                "email",
                "too_long",
                format!("must have at most {MAX_EMAIL} characters"),
            ));
        }
        let (local, domain) = text
            .rsplit_once('@')
            .ok_or_else(|| wrong("must be an address such as name@example.org"))?;
        if local.is_empty() || local.len() > MAX_LOCAL_PART {
            return Err(wrong("must have 1 to 64 characters before the `@`"));
        }
        if !local.chars().all(is_local_character)
            || local.starts_with('.')
            || local.ends_with('.')
            || local.contains("..")
        {
            return Err(wrong(
                "must have letters, digits, single dots and plain punctuation before the `@`",
            ));
        }
        if !domain.contains('.') || !domain.split('.').all(is_label) {
            return Err(wrong(
                "must have a domain such as example.org after the `@` (write others in their xn-- form)",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// `atext` and the dot of RFC 5322, section 3.2.3; quoted local parts are refused.
fn is_local_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(character)
}

/// A label of a host name (RFC 1123, section 2.1).
fn is_label(label: &str) -> bool {
    let inner = label
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
}

macro_rules! folded_text {
    ($($name:ident),+) => { $(
        impl $name {
            /// The text as written.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }

            /// The form by which two are compared and kept unique.
            #[must_use]
            pub fn folded(&self) -> String { self.0.to_ascii_lowercase() }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool { self.0.eq_ignore_ascii_case(&other.0) }
        }
        impl Eq for $name {}
        impl hash::Hash for $name {
            fn hash<H: hash::Hasher>(&self, state: &mut H) { self.folded().hash(state); }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(&text).map_err(|error| serde::de::Error::custom(error.message))
            }
        }
    )+ };
}
folded_text!(Username, Email);

/// Checks a workspace's name.
#[must_use]
pub fn check_workspace_name(field: &str, name: &str) -> Option<FieldError> {
    check_line(field, name, MAX_WORKSPACE_NAME)
}

/// A slug for a name: lower-case ASCII letters and digits with single hyphens, at most 48; `workspace` if nothing remains.
///
/// Making it unique is the store's work.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        let plain = plain_letter(character);
        if plain.is_ascii_alphanumeric() {
            slug.push(plain);
        } else if !slug.is_empty() && !slug.ends_with('-') && !is_combining(character) {
            slug.push('-');
        }
        if slug.len() == MAX_SLUG {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "workspace".to_owned()
    } else {
        slug.to_owned()
    }
}

/// Accents written apart from their letter (Unicode block 0300 to 036F) vanish instead of becoming a hyphen.
fn is_combining(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}')
}

/// The letter without its accent, for the letters of Portuguese, Spanish and French.
fn plain_letter(character: char) -> char {
    match character {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        other => other,
    }
}
