//! Events: their types, visibility, bounds, and which of them may be edited.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{canonical, dfid::Dfid, problem::FieldError, text::check_line, words::words};

/// Longest event type.
pub const MAX_TYPE: usize = 64;
/// Longest source, in characters.
pub const MAX_SOURCE: usize = 128;
/// Most tags of one event.
pub const MAX_TAGS: usize = 32;
/// Longest tag, in characters.
pub const MAX_TAG: usize = 64;
/// Most items that one event is about.
pub const MAX_ITEMS: usize = 1_000;
/// Most events of one bulk request.
pub const MAX_BULK: usize = 1_000;

words! {
    /// Who may see an event.
    Visibility, "visibility" {
        /// Everybody.
        Public = "public",
        /// Members of the circuits the item is in.
        Circuit = "circuit",
        /// The named recipients.
        Direct = "direct",
        /// Its owner alone; encrypted at rest with the workspace's key.
        Private = "private",
    }
}

/// The type of an event: 1 to 64 letters, digits, `_`, `.`, `:` or `-`. Kept as given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EventType(String);

impl EventType {
    /// Checks a type.
    ///
    /// # Errors
    /// A field error about `field` that says what is wrong.
    pub fn new(field: &str, text: &str) -> Result<Self, FieldError> {
        if text.is_empty() {
            return Err(FieldError::new(field, "blank", "must not be blank"));
        }
        if text.chars().count() > MAX_TYPE {
            return Err(FieldError::new(
                field,
                "too_long",
                format!("must have at most {MAX_TYPE} characters"),
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        match text.chars().find(|character| !allowed(*character)) {
            None => Ok(Self(text.to_owned())),
            Some(wrong) => {
                let message =
                    format!("consists of letters, digits, `_`, `.`, `:` and `-`; {wrong:?} is not allowed");
                Err(FieldError::new(field, "bad_character", message))
            }
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new("event_type", &text).map_err(|error| serde::de::Error::custom(error.message))
    }
}

/// What an event is about; decides whether it may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSubject {
    /// The workspace's own operation: a log line of its business.
    Operational,
    /// An item with a public identity.
    Item(Dfid),
}

impl EventSubject {
    /// The subject of an event with this DFID, if it has one.
    #[must_use]
    pub const fn of(dfid: Option<Dfid>) -> Self {
        match dfid {
            Some(dfid) => Self::Item(dfid),
            None => Self::Operational,
        }
    }

    /// Whether tags and data may be changed: an event about an item never is, it is corrected by a later event.
    #[must_use]
    pub const fn is_editable(self) -> bool {
        matches!(self, Self::Operational)
    }
}

/// Checks the data of an event: a JSON object within the bounds of [`canonical`].
#[must_use]
pub fn check_data(data: &Value) -> Vec<FieldError> {
    canonical::check_data("data", data)
}

/// Checks where an event comes from.
#[must_use]
pub fn check_source(source: &str) -> Option<FieldError> {
    check_line("source", source, MAX_SOURCE)
}

/// Checks tags and gives them trimmed, sorted, each once.
///
/// # Errors
/// Names each tag that is blank, too long or holds control characters, and too many of them.
pub fn check_tags(tags: &[String]) -> Result<Vec<String>, Vec<FieldError>> {
    if tags.len() > MAX_TAGS {
        return Err(vec![FieldError::new(
            "tags",
            "too_many",
            format!("must have at most {MAX_TAGS} entries"),
        )]);
    }
    let errors: Vec<_> = tags
        .iter()
        .enumerate()
        .filter_map(|(index, tag)| check_line(format!("tags[{index}]"), tag, MAX_TAG))
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let unique: std::collections::BTreeSet<_> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
    Ok(unique.into_iter().collect())
}
