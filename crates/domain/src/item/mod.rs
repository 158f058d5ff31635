//! Items: their states and content, and what can be done to them.
//!
//! Merging lives in [`merge`](merge()), splitting in [`split`](split()), duplicates in [`group_duplicates`], what waits for a decision in
//! [`PendingReason`]. Reading and writing items is the store's work.

mod duplicates;
mod fingerprint;
mod merge;
mod pending;
mod split;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use duplicates::{DataConflict, DuplicateGroup, group_duplicates};
pub use fingerprint::{Fingerprint, fingerprint};
pub use merge::{MergeStrategy, Merged, Undo, UnmergeError, merge, unmerge};
pub use pending::{PendingReason, PendingState, Priority, Resolution, SuggestedAction, assess};
pub use split::{Split, SplitPart, split};

use crate::{canonical, identifier::Identifier, problem::FieldError, words::words};

words! {
    /// Where an item with a DFID stands.
    ItemStatus, "item status" {
        /// In use.
        Active = "active",
        /// No longer to be used; kept for reading.
        Deprecated = "deprecated",
        /// Merged into another item, to which its DFID redirects.
        Merged = "merged",
        /// Divided into other items.
        Split = "split",
    }
}

impl ItemStatus {
    /// Whether the item may be enriched, pushed, merged or split.
    #[must_use]
    pub const fn is_changeable(self) -> bool {
        matches!(self, Self::Active)
    }
}

words! {
    /// Where a workspace's local item stands.
    LocalItemStatus, "local item status" {
        /// Known to its workspace alone.
        LocalOnly = "local_only",
        /// Pushed; waits for an approval.
        PendingApproval = "pending_approval",
        /// Has a DFID.
        Tokenized = "tokenized",
        /// Merged into another local item; the merge can be undone.
        Merged = "merged",
    }
}

impl LocalItemStatus {
    /// Whether the item may be merged or changed: only what has no public identity yet.
    #[must_use]
    pub const fn is_changeable(self) -> bool {
        matches!(self, Self::LocalOnly)
    }
}

/// What an item says: its identifiers and data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ItemContent {
    /// The identifiers, in normal form, each once.
    pub identifiers: Vec<Identifier>,
    /// The data attached to it.
    pub data: Map<String, Value>,
}

impl ItemContent {
    /// Checks the data's bounds and the number of identifiers.
    #[must_use]
    pub fn validate(&self) -> Vec<FieldError> {
        let mut errors = check_enriched_data("enriched_data", &Value::Object(self.data.clone()));
        let max = crate::identifier::MAX_IDENTIFIERS;
        if self.identifiers.len() > max {
            errors.push(FieldError::new(
                "identifiers",
                "too_many",
                format!("must have at most {max} entries"),
            ));
        }
        errors
    }
}

/// Checks data that enriches an item: a JSON object, at most 64 KiB in canonical form and 16 levels deep.
#[must_use]
pub fn check_enriched_data(field: &str, data: &Value) -> Vec<FieldError> {
    canonical::check_data(field, data)
}
