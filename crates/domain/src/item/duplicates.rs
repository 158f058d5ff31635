//! Finding items that share a canonical identifier, and where they contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{ItemContent, SuggestedAction};

/// Items that belong together, directly or through others, because they share canonical identifiers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DuplicateGroup<Id> {
    /// The items, sorted, at least two.
    pub items: Vec<Id>,
    /// The canonical keys that more than one of them carries, sorted.
    pub shared: Vec<String>,
    /// Where they contradict each other.
    pub conflicts: Vec<DataConflict<Id>>,
    /// What can be done, best first.
    pub suggested_actions: Vec<SuggestedAction>,
}

/// A name in the data under which the items of a group say different things.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataConflict<Id> {
    /// The name, such as `weight`.
    pub field: String,
    /// What each item says.
    pub values: Vec<(Id, Value)>,
}

/// Groups items by the canonical identifiers they share; the groups come in the order of their smallest item.
pub fn group_duplicates<Id: Copy + Ord>(items: &[(Id, ItemContent)]) -> Vec<DuplicateGroup<Id>> {
    let holders = holders_by_key(items);
    let mut leader: Vec<usize> = (0..items.len()).collect();
    for sharing in holders.values().filter(|sharing| sharing.len() > 1) {
        let first = *sharing.iter().next().unwrap_or(&0);
        for one in sharing {
            let (left, right) = (lead(&mut leader, first), lead(&mut leader, *one));
            leader[right] = left;
        }
    }
    let mut groups: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for index in 0..items.len() {
        groups.entry(lead(&mut leader, index)).or_default().insert(index);
    }
    let together = groups.into_values().filter(|group| group.len() > 1);
    let mut found: Vec<_> = together.map(|group| describe(items, &holders, &group)).collect();
    found.sort_by_key(|group| group.items[0]);
    found
}

/// For each canonical key, the positions of the items that carry it.
fn holders_by_key<Id>(items: &[(Id, ItemContent)]) -> BTreeMap<String, BTreeSet<usize>> {
    let mut holders: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (index, (_, content)) in items.iter().enumerate() {
        for identifier in content
            .identifiers
            .iter()
            .filter(|identifier| identifier.is_canonical())
        {
            holders
                .entry(identifier.canonical_key())
                .or_default()
                .insert(index);
        }
    }
    holders
}

/// The leader of the set an item is in (disjoint sets with path halving).
fn lead(leader: &mut [usize], mut index: usize) -> usize {
    while leader[index] != index {
        leader[index] = leader[leader[index]];
        index = leader[index];
    }
    index
}

fn describe<Id: Copy + Ord>(
    items: &[(Id, ItemContent)],
    holders: &BTreeMap<String, BTreeSet<usize>>,
    group: &BTreeSet<usize>,
) -> DuplicateGroup<Id> {
    let mut ids: Vec<Id> = group.iter().map(|index| items[*index].0).collect();
    ids.sort_unstable();
    let shared = holders
        .iter()
        .filter(|(_, sharing)| sharing.len() > 1 && sharing.is_subset(group));
    let conflicts = conflicts(items, group);
    let suggested_actions = if conflicts.is_empty() {
        vec![SuggestedAction::MergeItems]
    } else {
        vec![SuggestedAction::ReviewConflicts, SuggestedAction::MergeItems]
    };
    DuplicateGroup {
        items: ids,
        shared: shared.map(|(key, _)| key.clone()).collect(),
        conflicts,
        suggested_actions,
    }
}

fn conflicts<Id: Copy + Ord>(items: &[(Id, ItemContent)], group: &BTreeSet<usize>) -> Vec<DataConflict<Id>> {
    let mut said: BTreeMap<&str, Vec<(Id, Value)>> = BTreeMap::new();
    for (id, content) in group.iter().map(|index| &items[*index]) {
        for (name, value) in &content.data {
            said.entry(name).or_default().push((*id, value.clone()));
        }
    }
    let differing = said
        .into_iter()
        .filter(|(_, values)| values.iter().any(|(_, value)| *value != values[0].1));
    differing
        .map(|(field, values)| DataConflict {
            field: field.to_owned(),
            values,
        })
        .collect()
}
