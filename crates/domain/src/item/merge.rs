//! Merging one item's content into another's, and taking it back exactly.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, map::Entry};

use super::ItemContent;
use crate::{identifier::Identifier, problem::FieldError, words::words};

words! {
    /// What happens where both items say something about the same thing.
    MergeStrategy, "merge strategy" {
        /// Both are kept: lists are joined, differing values become a list.
        Append = "append",
        /// The first item's word stands.
        KeepFirst = "keep_first",
        /// The second item's word stands.
        Overwrite = "overwrite",
    }
}

/// The outcome of a merge.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What the first item says from now on.
    pub content: ItemContent,
    /// What is needed to take the merge back; to be stored.
    pub undo: Undo,
}

/// What the first item said before and after a merge. The second item's own row is left as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// Before the merge.
    before: ItemContent,
    /// After the merge: taking back is safe only while the item still says this.
    after: ItemContent,
}

impl Undo {
    /// What is needed to go from `after` back to `before`: for several merges that are taken back as one.
    #[must_use]
    pub fn new(before: &ItemContent, after: &ItemContent) -> Self {
        Self { before: before.clone(), after: after.clone() }
    }
}

/// The merge cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnmergeError {
    /// Taking it back would lose what was said since.
    #[error("the item was changed after this merge: undo the later changes first")]
    ChangedSince,
}

/// Merges `other` into `base`.
///
/// Identifiers are told apart by [`Identifier::canonical_key`]; two of the same namespace, registry or scope, and key speak
/// of the same thing. Data is compared name by name, into nested objects.
///
/// # Errors
/// If the result breaks the bounds of an item's content.
pub fn merge(
    base: &ItemContent,
    other: &ItemContent,
    strategy: MergeStrategy,
) -> Result<Merged, Vec<FieldError>> {
    let mut data = base.data.clone();
    merge_data(&mut data, &other.data, strategy);
    let identifiers = merge_identifiers(&base.identifiers, &other.identifiers, strategy);
    let content = ItemContent { identifiers, data };
    let errors = content.validate();
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Merged {
        undo: Undo {
            before: base.clone(),
            after: content.clone(),
        },
        content,
    })
}

/// Takes a merge back: gives exactly what the first item said before.
///
/// # Errors
/// If `current` is no longer what the merge left.
pub fn unmerge(current: &ItemContent, undo: &Undo) -> Result<ItemContent, UnmergeError> {
    if *current == undo.after {
        Ok(undo.before.clone())
    } else {
        Err(UnmergeError::ChangedSince)
    }
}

/// What an identifier speaks of, whatever its value.
fn slot(identifier: &Identifier) -> impl PartialEq {
    let normal = identifier.normalised();
    (normal.namespace, normal.registry, normal.scope, normal.key)
}

fn merge_identifiers(base: &[Identifier], other: &[Identifier], strategy: MergeStrategy) -> Vec<Identifier> {
    let (first, second) = match strategy {
        MergeStrategy::Append | MergeStrategy::KeepFirst => (base, other),
        MergeStrategy::Overwrite => (other, base),
    };
    let mut merged = first.to_vec();
    for identifier in second {
        let known = match strategy {
            MergeStrategy::Append => first
                .iter()
                .any(|one| one.canonical_key() == identifier.canonical_key()),
            MergeStrategy::KeepFirst | MergeStrategy::Overwrite => {
                first.iter().any(|one| slot(one) == slot(identifier))
            }
        };
        if !known {
            merged.push(identifier.clone());
        }
    }
    merged
}

fn merge_data(base: &mut Map<String, Value>, other: &Map<String, Value>, strategy: MergeStrategy) {
    for (name, value) in other {
        match base.entry(name.clone()) {
            Entry::Vacant(place) => {
                place.insert(value.clone());
            }
            Entry::Occupied(mut place) => merge_value(place.get_mut(), value, strategy),
        }
    }
}

fn merge_value(base: &mut Value, other: &Value, strategy: MergeStrategy) {
    if base == other {
        return;
    }
    match (base, other, strategy) {
        (Value::Object(base), Value::Object(other), _) => merge_data(base, other, strategy),
        (_, _, MergeStrategy::KeepFirst) => {}
        (base, _, MergeStrategy::Overwrite) => *base = other.clone(),
        (Value::Array(base), Value::Array(other), MergeStrategy::Append) => {
            base.extend(other.iter().cloned())
        }
        (Value::Array(base), _, MergeStrategy::Append) => base.push(other.clone()),
        (base, Value::Array(other), MergeStrategy::Append) => {
            let joined = std::iter::once(base.take())
                .chain(other.iter().cloned())
                .collect();
            *base = Value::Array(joined);
        }
        (base, _, MergeStrategy::Append) => *base = Value::Array(vec![base.take(), other.clone()]),
    }
}
