//! What a push of a local item amounts to, decided from facts the caller gathered within its transaction.
//!
//! Gathering the facts (what is known within reach) is the store's work, carrying the decision out the use case's.

use std::collections::BTreeSet;

use crate::{dfid::Dfid, problem::FieldError, words::words};

/// What was found before deciding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushFacts {
    /// Broken identifier rules of the circuit, in order.
    pub rule_errors: Vec<FieldError>,
    /// The DFID this local item already has in the circuit.
    pub mapping: Option<Dfid>,
    /// DFIDs that the item's canonical identifiers are known under within the circuit's reach.
    pub known: BTreeSet<Dfid>,
    /// The DFID of an earlier push with the same fingerprint; `None` if the circuit does not use fingerprints.
    pub fingerprint: Option<Dfid>,
    /// Whether pushes into this circuit wait for approval.
    pub approval_needed: bool,
}

/// What the push does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The local item was pushed before; nothing is to be done twice.
    AlreadyMapped(Dfid),
    /// A canonical identifier is known: that item is enriched.
    Enrich(Dfid),
    /// The same workspace pushed the same identifiers and data before.
    SameFingerprint(Dfid),
    /// Nothing is known: a new DFID is minted.
    New,
    /// Identifiers point to different DFIDs; a person must decide.
    Conflict {
        /// The DFIDs in question, sorted, at least two.
        dfids: Vec<Dfid>,
    },
}

/// The outcome, and whether it waits for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushDecision {
    /// What the push does.
    pub outcome: PushOutcome,
    /// Whether it waits: nothing is visible to others and nothing uploaded before approval.
    pub pending: bool,
}

words! {
    /// The `status` of a push's answer.
    PushStatus, "push status" {
        /// A new DFID was minted.
        NewItemCreated = "new_item_created",
        /// The item was known and has been enriched.
        ExistingItemEnriched = "existing_item_enriched",
        /// Identifiers point to different DFIDs.
        ConflictDetected = "conflict_detected",
    }
}

/// Decides what a push does.
///
/// A repeated push keeps its DFID, unless the identifiers now point elsewhere as well: then it is a conflict, because
/// enriching either item would tie two things together that nobody said are one.
///
/// # Errors
/// The broken rules of the circuit, all of them.
pub fn decide(facts: PushFacts) -> Result<PushDecision, Vec<FieldError>> {
    if !facts.rule_errors.is_empty() {
        return Err(facts.rule_errors);
    }
    let mut candidates = facts.known;
    candidates.extend(facts.mapping);
    let outcome = match (
        candidates.len(),
        candidates.first(),
        facts.mapping,
        facts.fingerprint,
    ) {
        (0, _, _, Some(dfid)) => PushOutcome::SameFingerprint(dfid),
        (1, _, Some(dfid), _) => PushOutcome::AlreadyMapped(dfid),
        (1, Some(dfid), None, _) => PushOutcome::Enrich(*dfid),
        (0, ..) | (_, None, ..) => PushOutcome::New,
        _ => PushOutcome::Conflict {
            dfids: candidates.into_iter().collect(),
        },
    };
    let waits = !matches!(
        outcome,
        PushOutcome::AlreadyMapped(_) | PushOutcome::Conflict { .. }
    );
    Ok(PushDecision {
        outcome,
        pending: waits && facts.approval_needed,
    })
}

impl PushOutcome {
    /// The `status` word of the answer.
    #[must_use]
    pub const fn status(&self) -> PushStatus {
        match self {
            Self::New => PushStatus::NewItemCreated,
            Self::AlreadyMapped(_) | Self::Enrich(_) | Self::SameFingerprint(_) => {
                PushStatus::ExistingItemEnriched
            }
            Self::Conflict { .. } => PushStatus::ConflictDetected,
        }
    }
}
