//! Items that wait for a person's decision: why, how urgently, and what can be done.

use std::collections::BTreeSet;

use crate::{dfid::Dfid, identifier::NewIdentifier, words::words};

words! {
    /// Why an item cannot go on by itself.
    PendingReason, "pending reason" {
        /// Its identifiers point to different DFIDs.
        ConflictingIdentifiers = "conflicting_identifiers",
        /// It has no identifier at all.
        NoIdentifiers = "no_identifiers",
        /// An identifier is blank.
        BlankIdentifier = "blank_identifier",
        /// An identifier does not satisfy its registry or the bounds.
        MalformedIdentifier = "malformed_identifier",
    }
}

words! {
    /// How urgent a pending item is, from least to most.
    Priority, "priority" {
        /// When there is time.
        Low = "low",
        /// In the order of arrival.
        Normal = "normal",
        /// Before the others.
        High = "high",
    }
}

words! {
    /// Where a pending item stands.
    PendingState, "pending state" {
        /// Waits for a decision.
        Pending = "pending",
        /// Accepted as it was.
        Approved = "approved",
        /// Refused.
        Rejected = "rejected",
        /// Accepted with changes.
        Modified = "modified",
    }
}

words! {
    /// How a pending item is resolved.
    Resolution, "resolution" {
        /// Accept it as it is, naming the DFID if several are in question.
        Approve = "approve",
        /// Refuse it.
        Reject = "reject",
        /// Correct it and accept it.
        Modify = "modify",
    }
}

words! {
    /// What a person can do next.
    SuggestedAction, "suggested action" {
        /// Look at where the items contradict each other.
        ReviewConflicts = "review_conflicts",
        /// Say which of the DFIDs is meant.
        ChooseDfid = "choose_dfid",
        /// Merge the items.
        MergeItems = "merge_items",
        /// Correct the identifier.
        CorrectIdentifier = "correct_identifier",
        /// Give it an identifier.
        AddIdentifier = "add_identifier",
        /// Refuse the item.
        Reject = "reject",
    }
}

impl PendingReason {
    /// How urgent: a conflict holds back goods that others know already.
    #[must_use]
    pub const fn priority(self) -> Priority {
        match self {
            Self::ConflictingIdentifiers => Priority::High,
            Self::MalformedIdentifier => Priority::Normal,
            Self::NoIdentifiers | Self::BlankIdentifier => Priority::Low,
        }
    }

    /// What can be done, best first.
    #[must_use]
    pub const fn suggested_actions(self) -> &'static [SuggestedAction] {
        use SuggestedAction::{AddIdentifier, ChooseDfid, CorrectIdentifier, MergeItems, Reject};
        match self {
            Self::ConflictingIdentifiers => &[ChooseDfid, MergeItems, Reject],
            Self::NoIdentifiers => &[AddIdentifier, Reject],
            Self::BlankIdentifier => &[AddIdentifier, CorrectIdentifier, Reject],
            Self::MalformedIdentifier => &[CorrectIdentifier, Reject],
        }
    }
}

impl PendingState {
    /// The state after a resolution; `None` if somebody has resolved it already.
    #[must_use]
    pub const fn after(self, resolution: Resolution) -> Option<Self> {
        match (self, resolution) {
            (Self::Pending, Resolution::Approve) => Some(Self::Approved),
            (Self::Pending, Resolution::Reject) => Some(Self::Rejected),
            (Self::Pending, Resolution::Modify) => Some(Self::Modified),
            _ => None,
        }
    }
}

/// Says why an item with these identifiers, known under these DFIDs, has to wait, if it has; the gravest reason first.
#[must_use]
pub fn assess(identifiers: &[NewIdentifier], known: &BTreeSet<Dfid>) -> Option<PendingReason> {
    if known.len() > 1 {
        return Some(PendingReason::ConflictingIdentifiers);
    }
    if identifiers.is_empty() {
        return Some(PendingReason::NoIdentifiers);
    }
    let is_blank = |new: &NewIdentifier| new.key.trim().is_empty() || new.value.trim().is_empty();
    if identifiers
        .iter()
        .any(|new| !is_blank(new) && new.check("identifier").is_err())
    {
        return Some(PendingReason::MalformedIdentifier);
    }
    identifiers
        .iter()
        .any(is_blank)
        .then_some(PendingReason::BlankIdentifier)
}
