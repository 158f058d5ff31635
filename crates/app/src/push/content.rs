//! What is pushed: stored content and the request's together, the keys it is known by, and what it adds to an item.

use domain::{
    canonical,
    identifier::Identifier,
    ids::WorkspaceId,
    item::{Fingerprint, ItemContent, MergeStrategy, fingerprint, merge},
    problem::ErrorCode,
};
use store::circuits::Circuit;

use crate::{AppError, Result};

/// The stored content plus the request's: identifiers add up, in data the request wins.
pub(super) fn combine(circuit: &Circuit, stored: &ItemContent, asked: &ItemContent) -> ItemContent {
    let mut identifiers = stored.identifiers.clone();
    for identifier in &asked.identifiers {
        if !identifiers
            .iter()
            .any(|known| known.canonical_key() == identifier.canonical_key())
        {
            identifiers.push(identifier.clone());
        }
    }
    let mut data = stored.data.clone();
    data.extend(asked.data.clone());
    let identifiers = circuit
        .rules
        .apply_namespace(circuit.default_namespace.as_deref(), identifiers);
    ItemContent { identifiers, data }
}

pub(super) fn is_empty(content: &ItemContent) -> bool {
    content.identifiers.is_empty() && content.data.is_empty()
}

pub(super) fn canonical_keys(identifiers: &[Identifier]) -> Vec<String> {
    identifiers
        .iter()
        .filter(|one| one.is_canonical())
        .map(Identifier::canonical_key)
        .collect()
}

/// What an item says after a push. The owner's own push may change values, another's only adds.
pub(super) fn enriched(own: bool, before: &ItemContent, pushed: &ItemContent) -> Result<ItemContent> {
    let strategy = if own {
        MergeStrategy::Overwrite
    } else {
        MergeStrategy::KeepFirst
    };
    let data = merge(before, pushed, strategy)?.content.data;
    let identifiers = merge(before, pushed, MergeStrategy::Append)?.content.identifiers;
    Ok(ItemContent { identifiers, data })
}

pub(super) fn fingerprint_of(
    circuit: &Circuit,
    workspace: WorkspaceId,
    content: &ItemContent,
) -> Result<Option<Fingerprint>> {
    if !circuit.rules.fingerprinting {
        return Ok(None);
    }
    let print = fingerprint(workspace, &content.identifiers, &content.data).map_err(
        |_: canonical::CanonicalError| {
            AppError::new(ErrorCode::Internal, "internal error; report the request id")
        },
    )?;
    Ok(Some(print))
}
