//! Dividing an item's content into parts, as asked; what nobody asked for stays with the original.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use super::ItemContent;
use crate::{identifier::Identifier, problem::FieldError};

/// Most parts of one split.
const MAX_PARTS: usize = 100;

/// What one part shall get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitPart {
    /// Identifiers of the original that move here.
    pub identifiers: Vec<Identifier>,
    /// Names in the original's data that move here.
    #[serde(default)]
    pub data: Vec<String>,
}

/// A divided item.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The parts, in the order asked for.
    pub parts: Vec<ItemContent>,
    /// What stays with the original. Parts and rest together hold exactly what the original held.
    pub rest: ItemContent,
}

/// Divides an item.
///
/// # Errors
/// Names each part without an identifier, and each identifier or name that the original lacks or that is asked for twice.
pub fn split(original: &ItemContent, parts: &[SplitPart]) -> Result<Split, Vec<FieldError>> {
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return Err(vec![FieldError::new(
            "parts",
            "length",
            format!("must have 1 to {MAX_PARTS} entries"),
        )]);
    }
    let mut rest = Rest::of(original);
    let (mut contents, mut errors) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        let path = format!("parts[{index}]");
        if part.identifiers.is_empty() {
            let message = "each part needs at least one identifier";
            errors.push(FieldError::new(format!("{path}.identifiers"), "none", message));
        }
        match rest.take(&path, part) {
            Ok(content) => contents.push(content),
            Err(broken) => errors.extend(broken),
        }
    }
    if errors.is_empty() {
        Ok(Split {
            parts: contents,
            rest: rest.content,
        })
    } else {
        Err(errors)
    }
}

/// What is left of the original, and which part took what.
struct Rest {
    content: ItemContent,
    taken: BTreeMap<String, String>,
}

impl Rest {
    fn of(original: &ItemContent) -> Self {
        Self {
            content: original.clone(),
            taken: BTreeMap::new(),
        }
    }

    fn take(&mut self, path: &str, part: &SplitPart) -> Result<ItemContent, Vec<FieldError>> {
        let mut content = ItemContent {
            identifiers: Vec::new(),
            data: Map::new(),
        };
        let mut errors = Vec::new();
        for (index, wanted) in part.identifiers.iter().enumerate() {
            let field = format!("{path}.identifiers[{index}]");
            let key = wanted.canonical_key();
            match self
                .content
                .identifiers
                .iter()
                .position(|own| own.canonical_key() == key)
            {
                Some(place) => {
                    content.identifiers.push(self.content.identifiers.remove(place));
                    self.taken.insert(key, field);
                }
                None => errors.push(self.absent(field, &key, "identifier")),
            }
        }
        for (index, name) in part.data.iter().enumerate() {
            let field = format!("{path}.data[{index}]");
            // A data name is kept apart from identifiers by a prefix that no canonical key begins with.
            let key = format!(":{name}");
            match self.content.data.shift_remove(name) {
                Some(value) => {
                    content.data.insert(name.clone(), value);
                    self.taken.insert(key, field);
                }
                None => errors.push(self.absent(field, &key, "data")),
            }
        }
        if errors.is_empty() {
            Ok(content)
        } else {
            Err(errors)
        }
    }

    fn absent(&self, field: String, key: &str, what: &str) -> FieldError {
        match self.taken.get(key) {
            Some(earlier) => FieldError::new(field, "taken_twice", format!("goes to {earlier} already")),
            None => FieldError::new(field, "unknown_value", format!("the item has no such {what}")),
        }
    }
}
