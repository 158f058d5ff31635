//! Namespaces of identifiers: what kind of goods an identifier speaks of. They are data: which there are is the store's.

use crate::problem::FieldError;

/// The namespace of an identifier when neither the request nor the circuit names one.
pub const GENERIC: &str = "generic";
/// Longest namespace.
pub const MAX_LENGTH: usize = 64;

/// Checks a namespace's form. Whether it exists is a question for the store.
#[must_use]
pub fn validate(field: &str, namespace: &str) -> Option<FieldError> {
    crate::identifier::check_name(field, "namespace", namespace, MAX_LENGTH)
}
