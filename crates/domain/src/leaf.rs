//! Leaves of the transparency log: canonical bytes that commit to a record without telling anything about it.
//!
//! A leaf is the canonical JSON (RFC 8785) of `{v, kind, subject, hash, time}`. `subject` and `hash` are salted
//! commitments, because serial numbers and business steps can be guessed. The salt lives with the record; when both are
//! erased, the leaf stays and says nothing any more. The tree's own hashing (RFC 6962) is not done here.
//!
//! **Commitment.** SHA-256 of a label, a zero byte, the 32 salt bytes, and the bytes committed to. Labels differ for
//! subject and payload (`farmgate/leaf/subject/v1`, `farmgate/leaf/payload/v1`), hold no zero byte and the salt has a fixed
//! length, so no two inputs give the same text to hash. The salt is random and secret, so the commitment hides; SHA-256
//! is collision resistant, so it binds.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    canonical::{self, CanonicalError},
    time::Timestamp,
    words::words,
};

/// The version of the leaf's layout.
pub const VERSION: u8 = 1;
/// Random bytes that go into each commitment.
pub type Salt = [u8; 32];

const SUBJECT_LABEL: &[u8] = b"farmgate/leaf/subject/v1";
const PAYLOAD_LABEL: &[u8] = b"farmgate/leaf/payload/v1";

words! {
    /// What kind of record a leaf commits to.
    LeafKind, "leaf kind" {
        /// An event, of an item or of the workspace.
        Event = "event",
        /// A local item got its DFID.
        Tokenization = "tokenization",
        /// A circuit operation changed its state.
        CircuitOperation = "circuit_operation",
        /// An audit record.
        Audit = "audit",
        /// A record of an adapter's storage history.
        Adapter = "adapter",
        /// A decision to release software or not.
        ReleaseDecision = "release_decision",
        /// Bytes of the caller's own, for a receipt.
        Receipt = "receipt",
        /// A snapshot of an item or circuit.
        Snapshot = "snapshot",
        /// The status of a credential or report.
        CredentialStatus = "credential_status",
        /// A record was erased: when, and on whose order.
        Erasure = "erasure",
    }
}

/// A salted commitment; lower-case hexadecimal in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(pub [u8; 32]);

impl std::fmt::Display for Commitment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for Commitment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Commitment({self})")
    }
}

impl Serialize for Commitment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&*text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

fn commit(label: &[u8], salt: &Salt, bytes: &[u8]) -> Commitment {
    let mut hash = Sha256::new();
    for part in [label, &[0], salt, bytes] {
        hash.update(part);
    }
    Commitment(hash.finalize().into())
}

/// The commitment to a record's canonical bytes.
#[must_use]
pub fn commitment(salt: &Salt, bytes: &[u8]) -> Commitment {
    commit(PAYLOAD_LABEL, salt, bytes)
}

/// The commitment to what a record is about, such as a DFID.
#[must_use]
pub fn subject_commitment(salt: &Salt, subject: &str) -> Commitment {
    commit(SUBJECT_LABEL, salt, subject.as_bytes())
}

/// A leaf of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// The version of this layout.
    pub v: u8,
    /// What kind of record.
    pub kind: LeafKind,
    /// Commitment to the record's subject.
    pub subject: Commitment,
    /// Commitment to the record's canonical bytes.
    pub hash: Commitment,
    /// When the record was accepted.
    pub time: Timestamp,
}

impl Leaf {
    /// The leaf of a record. `canonical_payload` is the record's canonical JSON ([`canonical::to_bytes`]).
    #[must_use]
    pub fn new(
        kind: LeafKind,
        subject: &str,
        canonical_payload: &[u8],
        salt: &Salt,
        time: Timestamp,
    ) -> Self {
        Self {
            v: VERSION,
            kind,
            subject: subject_commitment(salt, subject),
            hash: commitment(salt, canonical_payload),
            time,
        }
    }

    /// The bytes that enter the log.
    ///
    /// # Errors
    /// Never for a leaf made by [`Self::new`]; the canonical form of a plain object always exists.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_bytes(self)
    }

    /// Whether this leaf commits to that record with that salt.
    #[must_use]
    pub fn opens(&self, subject: &str, canonical_payload: &[u8], salt: &Salt) -> bool {
        self.v == VERSION
            && self.subject == subject_commitment(salt, subject)
            && self.hash == commitment(salt, canonical_payload)
    }
}
