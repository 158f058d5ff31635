//! What a push amounts to, for every combination of facts.

use std::collections::BTreeSet;

use domain::{
    dfid::Dfid,
    ids::Day,
    problem::FieldError,
    push::{PushDecision, PushFacts, PushOutcome, PushStatus, decide},
};
use proptest::prelude::*;

fn dfid(last: u8) -> Dfid {
    Dfid::new(Day::new(2026, 3, 1).unwrap(), [0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

fn facts(mapping: Option<u8>, known: &[u8], fingerprint: Option<u8>) -> PushFacts {
    PushFacts {
        rule_errors: Vec::new(),
        mapping: mapping.map(dfid),
        known: known.iter().copied().map(dfid).collect(),
        fingerprint: fingerprint.map(dfid),
        approval_needed: false,
    }
}

fn outcome(facts: PushFacts) -> PushOutcome {
    decide(facts).unwrap().outcome
}

#[test]
fn each_situation_has_its_outcome() {
    assert_eq!(outcome(facts(None, &[], None)), PushOutcome::New);
    assert_eq!(
        outcome(facts(None, &[], Some(3))),
        PushOutcome::SameFingerprint(dfid(3))
    );
    assert_eq!(outcome(facts(None, &[1], None)), PushOutcome::Enrich(dfid(1)));
    assert_eq!(outcome(facts(None, &[1], Some(3))), PushOutcome::Enrich(dfid(1)));
    assert_eq!(
        outcome(facts(None, &[2, 1], Some(3))),
        PushOutcome::Conflict {
            dfids: vec![dfid(1), dfid(2)]
        }
    );
    assert_eq!(
        outcome(facts(Some(1), &[], None)),
        PushOutcome::AlreadyMapped(dfid(1))
    );
    assert_eq!(
        outcome(facts(Some(1), &[1], Some(1))),
        PushOutcome::AlreadyMapped(dfid(1))
    );
    assert_eq!(
        outcome(facts(Some(1), &[2], None)),
        PushOutcome::Conflict {
            dfids: vec![dfid(1), dfid(2)]
        }
    );
}

#[test]
fn broken_rules_come_first() {
    let error = FieldError::new("identifiers", "missing_canonical", "…");
    let broken = PushFacts {
        rule_errors: vec![error.clone()],
        ..facts(Some(1), &[1], None)
    };
    assert_eq!(decide(broken), Err(vec![error]));
}

#[test]
fn statuses_are_the_words_clients_know() {
    assert_eq!(PushOutcome::New.status().as_str(), "new_item_created");
    assert_eq!(
        PushOutcome::Enrich(dfid(1)).status().as_str(),
        "existing_item_enriched"
    );
    assert_eq!(
        PushOutcome::Conflict { dfids: vec![] }.status(),
        PushStatus::ConflictDetected
    );
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn decisions_are_consistent(mapping in proptest::option::of(0u8..3), known in proptest::collection::vec(0u8..3, 0..3),
                                fingerprint in proptest::option::of(0u8..3), approval_needed in any::<bool>()) {
        let facts = PushFacts { approval_needed, ..facts(mapping, &known, fingerprint) };
        let candidates: BTreeSet<_> = facts.known.iter().copied().chain(facts.mapping).collect();
        let PushDecision { outcome, pending } = decide(facts.clone()).unwrap();
        // Only what changes something waits, and only if approval is needed.
        let changes = !matches!(outcome, PushOutcome::AlreadyMapped(_) | PushOutcome::Conflict { .. });
        prop_assert_eq!(pending, changes && approval_needed);
        match &outcome {
            PushOutcome::Conflict { dfids } => prop_assert!(dfids.len() > 1 && dfids.iter().copied().eq(candidates)),
            PushOutcome::New => prop_assert!(candidates.is_empty() && facts.fingerprint.is_none()),
            PushOutcome::SameFingerprint(dfid) => prop_assert!(candidates.is_empty() && facts.fingerprint == Some(*dfid)),
            PushOutcome::Enrich(dfid) | PushOutcome::AlreadyMapped(dfid) => {
                prop_assert!(candidates.iter().eq([dfid]));
                // Repeating the call, now with the mapping it made, keeps the DFID and changes nothing.
                let again = decide(PushFacts { mapping: Some(*dfid), ..facts }).unwrap();
                prop_assert_eq!(again, PushDecision { outcome: PushOutcome::AlreadyMapped(*dfid), pending: false });
            }
        }
    }
}
