//! Merge and unmerge, split, duplicates, fingerprints, and why an item waits.

use std::collections::BTreeSet;

use domain::{
    dfid::Dfid,
    identifier::{Identifier, NewIdentifier, Scope},
    ids::{Day, WorkspaceId},
    item::{
        ItemContent, MergeStrategy, PendingReason, Priority, SplitPart, SuggestedAction, Undo, UnmergeError,
        assess, fingerprint, group_duplicates, merge, split, unmerge,
    },
    registry::Registry,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn data(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn tag(value: &str) -> Identifier {
    Identifier::contextual(Scope::Workspace, "ear_tag", value)
}

fn lot(value: &str) -> Identifier {
    Identifier::canonical(Registry::Lot, "lot", value)
}

fn item(identifiers: &[Identifier], value: Value) -> ItemContent {
    ItemContent {
        identifiers: identifiers.to_vec(),
        data: data(value),
    }
}

#[test]
fn each_strategy_does_what_its_name_says() {
    let base = item(
        &[tag("1"), lot("L1")],
        json!({ "weight": 10, "farm": { "name": "A" }, "tags": [1] }),
    );
    let other = item(
        &[tag("2"), lot("L1")],
        json!({ "weight": 12, "farm": { "name": "B", "state": "SP" }, "tags": [2], "new": true }),
    );
    let merged = |strategy| merge(&base, &other, strategy).unwrap().content;

    let append = merged(MergeStrategy::Append);
    assert_eq!(append.identifiers, [tag("1"), lot("L1"), tag("2")]);
    let both = json!({ "weight": [10, 12], "farm": { "name": ["A", "B"], "state": "SP" }, "tags": [1, 2], "new": true });
    assert_eq!(append.data, data(both));

    let keep = merged(MergeStrategy::KeepFirst);
    assert_eq!(keep.identifiers, [tag("1"), lot("L1")]);
    let first = json!({ "weight": 10, "farm": { "name": "A", "state": "SP" }, "tags": [1], "new": true });
    assert_eq!(keep.data, data(first));

    let overwrite = merged(MergeStrategy::Overwrite);
    assert_eq!(overwrite.identifiers, [tag("2"), lot("L1")]);
    let second = json!({ "weight": 12, "farm": { "name": "B", "state": "SP" }, "tags": [2], "new": true });
    assert_eq!(overwrite.data, data(second));
}

#[test]
fn a_merge_that_breaks_the_bounds_is_refused() {
    let half = "x".repeat(40_000);
    let errors = merge(
        &item(&[], json!({ "a": half })),
        &item(&[], json!({ "b": half })),
        MergeStrategy::Append,
    )
    .unwrap_err();
    assert_eq!(errors[0].code, "too_large");
}

#[test]
fn unmerging_a_changed_item_is_refused() {
    let merged = merge(
        &item(&[tag("1")], json!({})),
        &item(&[tag("2")], json!({ "a": 1 })),
        MergeStrategy::Append,
    )
    .unwrap();
    let mut changed = merged.content.clone();
    changed.data.insert("later".to_owned(), json!(true));
    assert_eq!(unmerge(&changed, &merged.undo), Err(UnmergeError::ChangedSince));
}

#[test]
fn a_split_divides_as_asked_and_loses_nothing() {
    let original = item(&[tag("1"), tag("2"), lot("L")], json!({ "a": 1, "b": 2, "c": 3 }));
    let parts = [
        SplitPart {
            identifiers: vec![tag("1")],
            data: vec!["a".to_owned()],
        },
        SplitPart {
            identifiers: vec![tag(" 2 ")],
            data: vec!["b".to_owned()],
        },
    ];
    let divided = split(&original, &parts).unwrap();
    assert_eq!(
        divided.parts,
        [
            item(&[tag("1")], json!({ "a": 1 })),
            item(&[tag("2")], json!({ "b": 2 }))
        ]
    );
    assert_eq!(divided.rest, item(&[lot("L")], json!({ "c": 3 })));
}

#[test]
fn a_split_names_what_it_cannot_give() {
    let original = item(&[tag("1"), tag("2")], json!({ "a": 1 }));
    let part = |tags: &[&str], names: &[&str]| SplitPart {
        identifiers: tags.iter().map(|value| tag(value)).collect(),
        data: names.iter().map(ToString::to_string).collect(),
    };
    let errors = split(
        &original,
        &[
            part(&["1"], &["a", "z"]),
            part(&["1", "9"], &["a"]),
            part(&[], &[]),
        ],
    )
    .unwrap_err();
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.field.as_str(), error.code))
        .collect();
    assert_eq!(
        found,
        [
            ("parts[0].data[1]", "unknown_value"),
            ("parts[1].identifiers[0]", "taken_twice"),
            ("parts[1].identifiers[1]", "unknown_value"),
            ("parts[1].data[0]", "taken_twice"),
            ("parts[2].identifiers", "none"),
        ]
    );
    assert_eq!(split(&original, &[]).unwrap_err()[0].code, "length");
}

#[test]
fn duplicates_are_found_through_others_and_their_conflicts_shown() {
    let items = [
        (1, item(&[lot("A")], json!({ "weight": 10 }))),
        (2, item(&[tag("same")], json!({}))),
        (
            3,
            item(&[lot("B"), lot("A")], json!({ "weight": 12, "farm": "x" })),
        ),
        (4, item(&[lot("B")], json!({ "farm": "x" }))),
        (5, item(&[tag("same")], json!({}))),
        (6, item(&[lot("C")], json!({}))),
    ];
    let groups = group_duplicates(&items);
    assert_eq!(
        groups.len(),
        1,
        "contextual identifiers and single items make no group"
    );
    assert_eq!(groups[0].items, [1, 3, 4]);
    assert_eq!(groups[0].shared, ["generic:LOT:lot:A", "generic:LOT:lot:B"]);
    assert_eq!(groups[0].conflicts.len(), 1);
    assert_eq!(groups[0].conflicts[0].field, "weight");
    assert_eq!(groups[0].conflicts[0].values, [(1, json!(10)), (3, json!(12))]);
    assert_eq!(
        groups[0].suggested_actions,
        [SuggestedAction::ReviewConflicts, SuggestedAction::MergeItems]
    );
}

#[test]
fn the_fingerprint_ignores_order_and_spelling_only() {
    let (here, there) = (
        WorkspaceId::from(uuid::Uuid::from_u128(1)),
        WorkspaceId::from(uuid::Uuid::from_u128(2)),
    );
    let cpf = |value: &str| Identifier::canonical(Registry::Cpf, "cpf", value);
    let base = fingerprint(
        here,
        &[cpf("111.444.777-35"), tag("1")],
        &data(json!({ "a": 1, "b": 2.0 })),
    )
    .unwrap();
    let same = fingerprint(
        here,
        &[tag(" 1"), cpf("11144477735")],
        &data(json!({ "b": 2, "a": 1 })),
    )
    .unwrap();
    assert_eq!(base, same);
    let others = [
        fingerprint(
            there,
            &[cpf("11144477735"), tag("1")],
            &data(json!({ "a": 1, "b": 2 })),
        ),
        fingerprint(here, &[cpf("11144477735")], &data(json!({ "a": 1, "b": 2 }))),
        fingerprint(
            here,
            &[cpf("11144477735"), tag("1")],
            &data(json!({ "a": 1, "b": 3 })),
        ),
    ];
    assert!(others.into_iter().all(|other| other.unwrap() != base));
}

#[test]
fn an_item_waits_for_the_gravest_reason() {
    let new = |key: &str, value: &str, registry: Option<&str>| NewIdentifier {
        key: key.to_owned(),
        value: value.to_owned(),
        registry: registry.map(ToOwned::to_owned),
        ..NewIdentifier::default()
    };
    let dfid = |last| Dfid::new(Day::new(2026, 1, 1).unwrap(), [0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let (none, two) = (BTreeSet::new(), BTreeSet::from([dfid(1), dfid(2)]));
    let (good, blank, malformed) = (
        new("lot", "L", Some("LOT")),
        new("lot", " ", None),
        new("cpf", "1", Some("CPF")),
    );
    assert_eq!(assess(std::slice::from_ref(&good), &none), None);
    assert_eq!(assess(&[], &none), Some(PendingReason::NoIdentifiers));
    assert_eq!(
        assess(&[good.clone(), blank.clone()], &none),
        Some(PendingReason::BlankIdentifier)
    );
    assert_eq!(
        assess(&[blank, malformed.clone()], &none),
        Some(PendingReason::MalformedIdentifier)
    );
    assert_eq!(
        assess(&[malformed], &two),
        Some(PendingReason::ConflictingIdentifiers)
    );
    assert_eq!(PendingReason::ConflictingIdentifiers.priority(), Priority::High);
    assert!(
        PendingReason::ALL
            .iter()
            .all(|reason| reason.suggested_actions().contains(&SuggestedAction::Reject))
    );
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9i64..9).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_content() -> impl Strategy<Value = ItemContent> {
    let identifiers = proptest::collection::btree_set((0usize..2, 0u8..4), 0..4);
    let names = proptest::collection::btree_map("[abcd]", any_value(), 0..4);
    (identifiers, names).prop_map(|(identifiers, names)| ItemContent {
        identifiers: identifiers
            .into_iter()
            .map(|(kind, value)| {
                if kind == 0 {
                    tag(&value.to_string())
                } else {
                    lot(&value.to_string())
                }
            })
            .collect(),
        data: names.into_iter().collect(),
    })
}

proptest! {
    #![proptest_config(crate::seeded())]

    /// Unmerge is the identity, through storage as JSON, for every strategy; and after several merges in reverse order.
    #[test]
    fn unmerge_restores_exactly(base in any_content(), others in proptest::collection::vec((any_content(), 0usize..3), 1..4)) {
        let mut current = base.clone();
        let mut undos = Vec::new();
        for (other, strategy) in &others {
            let merged = merge(&current, other, MergeStrategy::ALL[*strategy]).unwrap();
            undos.push(serde_json::to_string(&merged.undo).unwrap());
            current = merged.content;
        }
        for stored in undos.iter().rev() {
            let undo: Undo = serde_json::from_str(stored).unwrap();
            current = unmerge(&current, &undo).unwrap();
        }
        prop_assert_eq!(current, base);
    }

    /// No strategy forgets a name, and none invents one.
    #[test]
    fn a_merge_keeps_every_name(base in any_content(), other in any_content(), strategy in 0usize..3) {
        let merged = merge(&base, &other, MergeStrategy::ALL[strategy]).unwrap().content;
        let names: BTreeSet<_> = base.data.keys().chain(other.data.keys()).collect();
        prop_assert_eq!(merged.data.keys().collect::<BTreeSet<_>>(), names);
    }

    #[test]
    fn appending_keeps_every_identifier_once(base in any_content(), other in any_content()) {
        let merged = merge(&base, &other, MergeStrategy::Append).unwrap().content;
        let keys = |content: &ItemContent| content.identifiers.iter().map(Identifier::canonical_key).collect::<BTreeSet<_>>();
        prop_assert_eq!(keys(&merged), &keys(&base) | &keys(&other));
        prop_assert_eq!(merged.identifiers.len(), keys(&merged).len());
    }

    #[test]
    fn a_group_holds_every_item_that_shares(contents in proptest::collection::vec(any_content(), 0..6)) {
        let items: Vec<_> = contents.into_iter().enumerate().collect();
        let groups = group_duplicates(&items);
        for (a, left) in &items {
            for (b, right) in items.iter().filter(|(b, _)| b > a) {
                let shares = left.identifiers.iter().any(|one| one.is_canonical() && right.identifiers.contains(one));
                let together = groups.iter().any(|group| group.items.contains(a) && group.items.contains(b));
                prop_assert!(!shares || together);
            }
        }
        let grouped: Vec<_> = groups.iter().flat_map(|group| &group.items).collect();
        prop_assert_eq!(grouped.len(), grouped.iter().collect::<BTreeSet<_>>().len(), "an item is in one group at most");
        prop_assert!(groups.iter().all(|group| group.items.len() > 1 && !group.shared.is_empty()));
    }
}
