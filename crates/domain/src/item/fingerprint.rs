//! The fingerprint by which the same push is recognised: same workspace, same identifiers, same data.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    canonical::{self, CanonicalError},
    identifier::Identifier,
    ids::WorkspaceId,
};

/// SHA-256 of what makes a push the same.
pub type Fingerprint = [u8; 32];

#[derive(Serialize)]
struct Fingerprinted<'a> {
    v: u8,
    workspace: WorkspaceId,
    identifiers: BTreeSet<String>,
    data: &'a Map<String, Value>,
}

/// The fingerprint over canonical JSON (RFC 8785). The order of identifiers, their spelling (case, punctuation) and the
/// order of names in the data do not matter; everything else does.
///
/// # Errors
/// If the data has no canonical form; data that passed [`check_enriched_data`](super::check_enriched_data) has one.
pub fn fingerprint(
    workspace: WorkspaceId,
    identifiers: &[Identifier],
    data: &Map<String, Value>,
) -> Result<Fingerprint, CanonicalError> {
    let identifiers = identifiers.iter().map(Identifier::canonical_key).collect();
    canonical::digest(&Fingerprinted {
        v: 1,
        workspace,
        identifiers,
        data,
    })
}
