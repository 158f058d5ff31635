//! Changes of a circuit's settings: what is named changes, and what is left out stays, as a JSON Merge Patch has it
//! (RFC 7396). Whether the outcome is allowed is checked on the whole, where it is defined.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{ApprovalSwitches, IdentifierRules, PublicSettings};
use crate::time::Timestamp;

/// A member that is there, also with null: that is another word for the default.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(from).map(|given| Some(given.unwrap_or_default()))
}

macro_rules! changes {
    ($($(#[$meta:meta])* $name:ident of $whole:ident { $($field:ident: $kind:ty),+ $(,)? })+) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(#[doc = concat!("The new `", stringify!($field), "`; the present one if absent.")]
            #[serde(deserialize_with = "named")]
            pub $field: Option<$kind>,)+
        }

        impl $name {
            /// Takes over what is named.
            pub fn apply(self, to: &mut $whole) {
                $(if let Some(given) = self.$field {
                    to.$field = given;
                })+
            }
        }
    )+ };
}

changes! {
    /// A change of what needs approval.
    ApprovalChange of ApprovalSwitches { push: bool, pull: bool }
    /// A change of what identifiers must fulfil. Lists are replaced as a whole.
    RuleChange of IdentifierRules {
        required_canonical: Vec<String>,
        required_contextual: Vec<String>,
        allowed_namespaces: Vec<String>,
        auto_apply_namespace: bool,
        fingerprinting: bool,
    }
    /// A change of how a circuit shows itself to the public.
    PublicChange of PublicSettings {
        enabled: bool,
        publish_at: Option<Timestamp>,
        title: Option<String>,
        description: Option<String>,
        logo_url: Option<String>,
        colour: Option<String>,
    }
}

/// Merges a patch into free-form settings: null takes a member away, objects are merged, all else is replaced.
pub fn merge_patch(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, given) in patch {
        match given {
            Value::Null => {
                target.remove(&name);
            }
            Value::Object(inner) => {
                let present = target.entry(name).or_insert(Value::Null);
                if !present.is_object() {
                    *present = Value::Object(Map::new());
                }
                if let Value::Object(present) = present {
                    merge_patch(present, inner);
                }
            }
            other => {
                target.insert(name, other);
            }
        }
    }
}
