//! Identifiers: normal form, uniqueness, and errors that name the field.

use domain::{
    identifier::{Identifier, NewIdentifier, Scope, check_all},
    namespace,
    registry::Registry,
};
use proptest::prelude::*;
use serde_json::json;

fn new(key: &str, value: &str, registry: Option<&str>, scope: Option<&str>) -> NewIdentifier {
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    NewIdentifier {
        namespace: None,
        key: key.into(),
        value: value.into(),
        registry: owned(registry),
        scope: owned(scope),
    }
}

fn broken(identifier: &NewIdentifier) -> Vec<(String, &'static str)> {
    identifier
        .check("identifiers[0]")
        .unwrap_err()
        .into_iter()
        .map(|error| (error.field, error.code))
        .collect()
}

#[test]
fn a_canonical_identifier_takes_the_registrys_bare_form() {
    let identifier = new(" CPF ", " 111.444.777-35 ", Some("cpf"), None)
        .check("i")
        .unwrap();
    assert_eq!(
        identifier,
        Identifier::canonical(Registry::Cpf, "cpf", "11144477735")
    );
    assert!(identifier.is_canonical() && !identifier.verified);
    assert_eq!(identifier.canonical_key(), "generic:CPF:cpf:11144477735");
}

#[test]
fn contextual_is_the_default_with_the_workspace_as_scope() {
    let identifier = new("ear_tag", " A-17 ", None, None).check("i").unwrap();
    assert_eq!(
        identifier,
        Identifier::contextual(Scope::Workspace, "ear_tag", "A-17")
    );
    assert_eq!(identifier.canonical_key(), "generic:workspace:ear_tag:A-17");
    assert_eq!(
        new("ear_tag", "A", None, Some("circuit"))
            .check("i")
            .unwrap()
            .scope,
        Some(Scope::Circuit)
    );
}

#[test]
fn each_broken_rule_is_named_with_its_field() {
    let field = |name: &str| format!("identifiers[0].{name}");
    assert_eq!(
        broken(&new("", " ", None, None)),
        [(field("key"), "blank"), (field("value"), "blank")]
    );
    assert_eq!(
        broken(&new("ear tag", "a\u{0}", None, None)),
        [
            (field("key"), "bad_character"),
            (field("value"), "control_character"),
        ]
    );
    assert_eq!(
        broken(&new(&"k".repeat(65), &"v".repeat(257), None, None)),
        [(field("key"), "too_long"), (field("value"), "too_long"),]
    );
    assert_eq!(
        broken(&new("cpf", "111.444.777-36", Some("CPF"), None)),
        [(field("value"), "wrong_check_digit")]
    );
    assert_eq!(
        broken(&new("x", "1", Some("RENAVAM"), Some("planet"))),
        [
            (field("registry"), "unknown_value"),
            (field("scope"), "unknown_value"),
        ]
    );
    assert_eq!(
        broken(&new("cpf", "11144477735", Some("CPF"), Some("user"))),
        [(field("scope"), "not_together")]
    );
    let mut in_namespace = new("k", "v", None, None);
    in_namespace.namespace = Some("bo vino".to_owned());
    assert_eq!(broken(&in_namespace), [(field("namespace"), "bad_character")]);
}

#[test]
fn a_request_cannot_say_verified_or_anything_unknown() {
    let wire = |value| serde_json::from_value::<NewIdentifier>(value);
    assert!(wire(json!({ "key": "k", "value": "v" })).is_ok());
    assert!(wire(json!({ "key": "k", "value": "v", "verified": true })).is_err());
}

#[test]
fn a_list_names_the_entry_that_says_the_same_as_another() {
    let list = [
        new("cpf", "111.444.777-35", Some("CPF"), None),
        new("cpf", "11144477735", Some("cpf"), None),
    ];
    let errors = check_all("identifiers", &list).unwrap_err();
    assert_eq!(
        (errors[0].field.as_str(), errors[0].code),
        ("identifiers[1]", "duplicate")
    );
    let many = vec![new("k", "v", None, None); 65];
    assert_eq!(check_all("identifiers", &many).unwrap_err()[0].code, "too_many");
    assert_eq!(check_all("identifiers", &list[..1]).unwrap().len(), 1);
}

#[test]
fn the_default_namespace_yields_to_ones_own() {
    let identifier = Identifier::contextual(Scope::User, "k", "v");
    assert_eq!(
        identifier
            .clone()
            .in_default_namespace("soja")
            .namespace
            .as_deref(),
        Some("soja")
    );
    let own = identifier
        .in_default_namespace("cafe")
        .in_default_namespace("soja");
    assert_eq!(own.namespace.as_deref(), Some("cafe"));
}

fn any_identifier() -> impl Strategy<Value = Identifier> {
    let scope = (0usize..3).prop_map(|index| Scope::ALL[index]);
    (
        scope,
        "[a-z0-9_.-]{1,8}",
        "[ -~]{0,8}[!-~]",
        proptest::option::of("[a-z]{1,4}"),
    )
        .prop_map(|(scope, key, value, namespace)| Identifier {
            namespace,
            ..Identifier::contextual(scope, key, value)
        })
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn normalising_twice_changes_nothing(identifier in any_identifier()) {
        let normal = identifier.normalised();
        prop_assert_eq!(normal.normalised(), normal.clone());
        prop_assert_eq!(normal.canonical_key(), identifier.canonical_key());
    }

    /// The key is unique: two identifiers share it only if their normal forms agree (no namespace meaning `generic`).
    #[test]
    fn equal_keys_mean_equal_identifiers(a in any_identifier(), b in any_identifier()) {
        let normal = |identifier: Identifier| identifier.normalised().in_default_namespace(namespace::GENERIC);
        prop_assert_eq!(a.canonical_key() == b.canonical_key(), normal(a) == normal(b));
    }

    #[test]
    fn json_and_back(identifier in any_identifier()) {
        let json = serde_json::to_string(&identifier).unwrap();
        prop_assert_eq!(serde_json::from_str::<Identifier>(&json).unwrap(), identifier);
    }
}
