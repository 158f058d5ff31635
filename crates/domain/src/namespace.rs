//! Namespaces of identifiers: what kind of goods an identifier speaks of. They are data; these are there at the start.

use crate::problem::FieldError;

/// The namespaces present at the start.
pub const INITIAL: &[&str] = &[
    "bovino", "aves", "suino", "soja", "milho", "algodao", "cafe", "leite", "generic",
];
/// The namespace of an identifier when neither the request nor the circuit names one.
pub const GENERIC: &str = "generic";
/// Longest namespace.
pub const MAX_LENGTH: usize = 64;

/// Checks a namespace's form. Whether it exists is a question for the store.
#[must_use]
pub fn validate(field: &str, namespace: &str) -> Option<FieldError> {
    crate::identifier::check_name(field, "namespace", namespace, MAX_LENGTH)
}
