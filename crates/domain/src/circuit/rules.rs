//! A circuit's rules about identifiers, and the check that names each one that is broken.

use serde::{Deserialize, Serialize};

use crate::{
    identifier::{self, Identifier, MAX_KEY},
    namespace,
    problem::FieldError,
};

/// Most entries in each list of rules.
const MAX_ENTRIES: usize = 64;

/// What identifiers an item needs to enter a circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentifierRules {
    /// Keys that must be there as canonical identifiers (with a registry).
    pub required_canonical: Vec<String>,
    /// Keys that must be there as contextual identifiers.
    pub required_contextual: Vec<String>,
    /// Namespaces that may occur; all if empty.
    pub allowed_namespaces: Vec<String>,
    /// Whether identifiers without a namespace get the circuit's default namespace.
    pub auto_apply_namespace: bool,
    /// Whether the same identifiers and data pushed again by the same workspace give the same DFID.
    pub fingerprinting: bool,
}

impl IdentifierRules {
    /// Checks the rules themselves: the form of keys and namespaces, and their number.
    #[must_use]
    pub fn validate(&self, field: &str) -> Vec<FieldError> {
        let lists = [
            ("required_canonical", &self.required_canonical, "key", MAX_KEY),
            ("required_contextual", &self.required_contextual, "key", MAX_KEY),
            (
                "allowed_namespaces",
                &self.allowed_namespaces,
                "namespace",
                namespace::MAX_LENGTH,
            ),
        ];
        let mut errors = Vec::new();
        for (name, entries, what, max) in lists {
            if entries.len() > MAX_ENTRIES {
                let message = format!("must have at most {MAX_ENTRIES} entries");
                errors.push(FieldError::new(format!("{field}.{name}"), "too_many", message));
            }
            for (index, entry) in entries.iter().enumerate() {
                errors.extend(identifier::check_name(
                    &format!("{field}.{name}[{index}]"),
                    what,
                    entry,
                    max,
                ));
            }
        }
        errors
    }

    /// The identifiers with the namespace they have in this circuit: their own, else the circuit's default if it is
    /// applied automatically, else `generic`.
    #[must_use]
    pub fn apply_namespace(
        &self,
        default_namespace: Option<&str>,
        identifiers: Vec<Identifier>,
    ) -> Vec<Identifier> {
        let default = default_namespace
            .filter(|_| self.auto_apply_namespace)
            .unwrap_or(namespace::GENERIC);
        identifiers
            .into_iter()
            .map(|identifier| identifier.normalised().in_default_namespace(default))
            .collect()
    }

    /// Names each rule the identifiers break. They are expected with their namespace applied.
    #[must_use]
    pub fn check(&self, identifiers: &[Identifier]) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if identifiers.is_empty() {
            errors.push(FieldError::new(
                "identifiers",
                "none",
                "an item needs at least one identifier to enter a circuit",
            ));
        }
        errors.extend(missing(&self.required_canonical, identifiers, true));
        errors.extend(missing(&self.required_contextual, identifiers, false));
        if self.allowed_namespaces.is_empty() {
            return errors;
        }
        for (index, identifier) in identifiers.iter().enumerate() {
            let found = identifier.namespace.as_deref().unwrap_or(namespace::GENERIC);
            if !self.allowed_namespaces.iter().any(|allowed| allowed == found) {
                let message = format!(
                    "namespace `{found}` is not allowed in this circuit; allowed: {}",
                    self.allowed_namespaces.join(", ")
                );
                errors.push(FieldError::new(
                    format!("identifiers[{index}].namespace"),
                    "namespace_not_allowed",
                    message,
                ));
            }
        }
        errors
    }
}

/// One error for each required key that no identifier of that kind carries.
fn missing(
    required: &[String],
    identifiers: &[Identifier],
    canonical: bool,
) -> impl Iterator<Item = FieldError> {
    let (kind, code) = if canonical {
        ("canonical", "missing_canonical")
    } else {
        ("contextual", "missing_contextual")
    };
    required
        .iter()
        .filter(move |key| {
            !identifiers
                .iter()
                .any(|identifier| identifier.is_canonical() == canonical && identifier.key == **key)
        })
        .map(move |key| {
            FieldError::new(
                "identifiers",
                code,
                format!("this circuit requires a {kind} identifier with the key `{key}`"),
            )
        })
}
