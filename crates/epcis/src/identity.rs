//! When two events are the same one.
//!
//! Interim: the given `eventID`, else SHA-256 over the event's canonical JSON (RFC 8785). The CBV 2.0 event hash, which
//! also sees through differences of writing, will take the place of the latter.
//!
//! Documents in the field give one `eventID` to several events: the content's own identity tells those apart.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Longest identity, in characters.
const MAX: usize = 128;

/// The identity of an event's content, whatever its id; nothing if it has no canonical form.
pub(crate) fn of_content(members: &Map<String, Value>) -> Option<String> {
    Some(hash(&serde_json_canonicalizer::to_vec(members).ok()?))
}

/// The identity of an event; nothing if it has no canonical form.
pub(crate) fn of(members: &Map<String, Value>) -> Option<String> {
    let given = members
        .get("eventID")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    let Some(id) = given else {
        return of_content(members);
    };
    // A declaration of error repeats the event it revokes, its id included (EPCIS 2.0, section 7.4.1.3).
    let id = if members.contains_key("errorDeclaration") {
        format!("{id}#error")
    } else {
        id.to_owned()
    };
    Some(if id.chars().count() > MAX {
        hash(id.as_bytes())
    } else {
        id
    })
}

fn hash(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
