//! Identifiers of items: canonical ones (a registry vouches for their form) and contextual ones (a scope bounds their meaning).
//!
//! What each registry demands of a value lives in [`crate::registry`].

use serde::{Deserialize, Serialize};

use crate::{namespace, problem::FieldError, registry::Registry, words::words};

/// Longest key.
pub const MAX_KEY: usize = 64;
/// Longest value, in characters after trimming.
pub const MAX_VALUE: usize = 256;
/// Most identifiers of one item.
pub const MAX_IDENTIFIERS: usize = 64;

words! {
    /// Within which bounds a contextual identifier means the same thing.
    Scope, "scope" {
        /// One user.
        User = "user",
        /// One workspace.
        Workspace = "workspace",
        /// One circuit.
        Circuit = "circuit",
    }
}

/// What a request says about an identifier; words are not checked yet. `verified` is absent: the server alone sets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIdentifier {
    /// Kind of goods; the circuit's default or `generic` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What the value is, such as `sisbov` or `ear_tag`.
    pub key: String,
    /// The value as people write it.
    pub value: String,
    /// The registry that defines the value; makes the identifier canonical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The scope of a contextual identifier; `workspace` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl NewIdentifier {
    /// Checks everything and gives the identifier in its normal form.
    ///
    /// # Errors
    /// Each broken rule, under `field_path`.
    pub fn check(&self, field_path: &str) -> Result<Identifier, Vec<FieldError>> {
        let mut errors = Vec::new();
        let registry = self.registry.as_deref().and_then(|name| {
            Registry::from_name(name)
                .map_err(|error| errors.push(error.at(format!("{field_path}.registry"))))
                .ok()
        });
        let scope = self.scope.as_deref().and_then(|name| {
            name.trim()
                .to_ascii_lowercase()
                .parse()
                .map_err(|error: crate::problem::UnknownWord| {
                    errors.push(error.at(format!("{field_path}.scope")))
                })
                .ok()
        });
        let identifier = Identifier {
            namespace: self.namespace.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            registry,
            scope,
            verified: false,
        };
        errors.extend(identifier.validate(field_path));
        if errors.is_empty() {
            Ok(identifier.normalised())
        } else {
            Err(errors)
        }
    }
}

/// An identifier of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identifier {
    /// Kind of goods; `None` until the default is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What the value is.
    pub key: String,
    /// The value.
    pub value: String,
    /// The registry, of a canonical identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// The scope, of a contextual identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Whether the server has checked with the registry that the value exists.
    #[serde(default)]
    pub verified: bool,
}

impl Identifier {
    /// A canonical identifier.
    pub fn canonical(registry: Registry, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            namespace: None,
            key: key.into(),
            value: value.into(),
            registry: Some(registry),
            scope: None,
            verified: false,
        }
    }

    /// A contextual identifier.
    pub fn contextual(scope: Scope, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            namespace: None,
            key: key.into(),
            value: value.into(),
            registry: None,
            scope: Some(scope),
            verified: false,
        }
    }

    /// Whether a registry stands behind it.
    #[must_use]
    pub const fn is_canonical(&self) -> bool {
        self.registry.is_some()
    }

    /// Names each broken rule: bounds, characters, the registry's own rules.
    #[must_use]
    pub fn validate(&self, field_path: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(namespace) = &self.namespace {
            errors.extend(namespace::validate(
                &format!("{field_path}.namespace"),
                &namespace.trim().to_ascii_lowercase(),
            ));
        }
        errors.extend(check_name(
            &format!("{field_path}.key"),
            "key",
            &self.key.trim().to_ascii_lowercase(),
            MAX_KEY,
        ));
        errors.extend(self.check_value(&format!("{field_path}.value")));
        if self.registry.is_some() && self.scope.is_some() {
            let message =
                "an identifier with a registry is valid everywhere and has no scope: leave one of them out";
            errors.push(FieldError::new(
                format!("{field_path}.scope"),
                "not_together",
                message,
            ));
        }
        errors
    }

    fn check_value(&self, field: &str) -> Option<FieldError> {
        let value = self.value.trim();
        if value.is_empty() {
            return Some(FieldError::new(field, "blank", "must not be blank"));
        }
        if value.chars().count() > MAX_VALUE {
            return Some(FieldError::new(
                field,
                "too_long",
                format!("must have at most {MAX_VALUE} characters"),
            ));
        }
        if value.chars().any(char::is_control) {
            return Some(FieldError::new(
                field,
                "control_character",
                "must not contain control characters",
            ));
        }
        let registry = self.registry?;
        let error = registry.normalise(value).err()?;
        Some(FieldError::new(
            field,
            error.code(),
            format!("is not a valid {registry} value: {error}"),
        ))
    }

    /// The normal form, in which equal identifiers are equal: key and namespace in lower case, the value trimmed and,
    /// with a registry, in the registry's bare form; a contextual identifier has a scope.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let value = self.value.trim();
        Self {
            namespace: self
                .namespace
                .as_ref()
                .map(|namespace| namespace.trim().to_ascii_lowercase()),
            key: self.key.trim().to_ascii_lowercase(),
            value: self
                .registry
                .and_then(|registry| registry.normalise(value).ok())
                .unwrap_or_else(|| value.to_owned()),
            registry: self.registry,
            scope: if self.is_canonical() {
                None
            } else {
                Some(self.scope.unwrap_or(Scope::Workspace))
            },
            verified: self.verified,
        }
    }

    /// The same identifier in `namespace`, if it had none.
    #[must_use]
    pub fn in_default_namespace(mut self, namespace: &str) -> Self {
        self.namespace.get_or_insert_with(|| namespace.to_owned());
        self
    }

    /// The text by which uniqueness is decided: namespace, registry or scope, key and value of the normal form.
    ///
    /// The visibility within which it must be unique (everywhere, or one user, workspace or circuit) is the caller's to add.
    #[must_use]
    pub fn canonical_key(&self) -> String {
        let normal = self.normalised();
        let namespace = normal.namespace.as_deref().unwrap_or(namespace::GENERIC);
        let domain = match (normal.registry, normal.scope) {
            (Some(registry), _) => registry.as_str(),
            (None, Some(scope)) => scope.as_str(),
            (None, None) => Scope::Workspace.as_str(),
        };
        // Namespace, registry, scope and key hold no colon, so the text can be taken apart again: no two identifiers share one.
        format!("{namespace}:{domain}:{}:{}", normal.key, normal.value)
    }
}

/// Checks a list of identifiers from a request: each one, their number, and that none is there twice.
///
/// # Errors
/// Each broken rule under `field[index]`.
pub fn check_all(field: &str, identifiers: &[NewIdentifier]) -> Result<Vec<Identifier>, Vec<FieldError>> {
    if identifiers.len() > MAX_IDENTIFIERS {
        return Err(vec![FieldError::new(
            field,
            "too_many",
            format!("must have at most {MAX_IDENTIFIERS} entries"),
        )]);
    }
    let (mut good, mut errors) = (Vec::new(), Vec::new());
    let mut seen = std::collections::BTreeMap::new();
    for (index, new) in identifiers.iter().enumerate() {
        let path = format!("{field}[{index}]");
        match new.check(&path) {
            Ok(identifier) => match seen.insert(identifier.canonical_key(), index) {
                Some(first) => errors.push(FieldError::new(
                    path,
                    "duplicate",
                    format!("says the same as {field}[{first}]"),
                )),
                None => good.push(identifier),
            },
            Err(broken) => errors.extend(broken),
        }
    }
    if errors.is_empty() { Ok(good) } else { Err(errors) }
}

/// Checks a key or namespace: 1 to `max` of `a-z 0-9 _ . -`.
pub(crate) fn check_name(field: &str, what: &str, name: &str, max: usize) -> Option<FieldError> {
    if name.is_empty() {
        return Some(FieldError::new(
            field,
            "blank",
            format!("a {what} must not be blank"),
        ));
    }
    if name.chars().count() > max {
        return Some(FieldError::new(
            field,
            "too_long",
            format!("a {what} must have at most {max} characters"),
        ));
    }
    let allowed = |character: &char| matches!(character, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
    let wrong = name.chars().find(|character| !allowed(character))?;
    let message = format!("a {what} consists of a-z, 0-9, `_`, `.` and `-`; {wrong:?} is not allowed");
    Some(FieldError::new(field, "bad_character", message))
}
