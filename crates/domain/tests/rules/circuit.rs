//! Permissions, built-in roles, and a circuit's rules about identifiers.

use domain::{
    circuit::{
        BuiltInRole, IdentifierRules, Permission, Permissions, PublicSettings, can_grant, check_texts,
    },
    identifier::{Identifier, Scope},
    ids::Timestamp,
    registry::Registry,
};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn built_in_roles_hold_what_the_specification_says() {
    let words = |role: BuiltInRole| serde_json::to_value(role.permissions()).unwrap();
    let all = json!([
        "push",
        "pull",
        "invite",
        "manage_members",
        "manage_permissions",
        "manage_roles",
        "delete",
        "certify",
        "audit"
    ]);
    assert_eq!(words(BuiltInRole::Owner), all);
    assert_eq!(
        words(BuiltInRole::Admin),
        json!([
            "push",
            "pull",
            "invite",
            "manage_members",
            "manage_roles",
            "certify"
        ])
    );
    assert_eq!(words(BuiltInRole::Member), json!(["push", "pull"]));
    assert_eq!(words(BuiltInRole::Viewer), json!(["pull"]));
}

#[test]
fn nobody_grants_what_they_do_not_hold() {
    let admin = BuiltInRole::Admin.permissions();
    assert!(can_grant(admin, BuiltInRole::Member.permissions()));
    assert!(!can_grant(admin, BuiltInRole::Owner.permissions()));
    assert!(!can_grant(
        Permissions::NONE,
        Permissions::of(&[Permission::Pull])
    ));
}

#[test]
fn an_unknown_permission_is_an_error_that_lists_the_known() {
    let error = serde_json::from_value::<Permissions>(json!(["push", "fly"]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`fly`") && error.contains("manage_permissions"),
        "{error}"
    );
    assert_eq!(Permissions::from_bits(1 << 9), None);
}

fn rules() -> IdentifierRules {
    IdentifierRules {
        required_canonical: vec!["sisbov".to_owned(), "lot".to_owned()],
        required_contextual: vec!["ear_tag".to_owned()],
        allowed_namespaces: vec!["bovino".to_owned()],
        ..IdentifierRules::default()
    }
}

#[test]
fn each_broken_rule_is_named() {
    let identifiers = [
        Identifier::canonical(Registry::Lot, "lot", "L").in_default_namespace("bovino"),
        // The right key, but contextual: it does not count as canonical.
        Identifier::contextual(Scope::User, "sisbov", "1").in_default_namespace("soja"),
    ];
    let errors = rules().check(&identifiers);
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.field.as_str(), error.code))
        .collect();
    assert_eq!(
        found,
        [
            ("identifiers", "missing_canonical"),
            ("identifiers", "missing_contextual"),
            ("identifiers[1].namespace", "namespace_not_allowed"),
        ]
    );
    assert!(
        errors[0].message.contains("`sisbov`")
            && errors[1].message.contains("`ear_tag`")
            && errors[2].message.contains("`soja`")
    );
}

#[test]
fn items_that_satisfy_the_rules_pass_and_items_without_identifiers_never_do() {
    let identifiers: Vec<_> = [
        Identifier::canonical(Registry::Lot, "lot", "L"),
        Identifier::canonical(Registry::Sisbov, "sisbov", "076350000000019"),
        Identifier::contextual(Scope::User, "ear_tag", "1"),
    ]
    .map(|identifier| identifier.in_default_namespace("bovino"))
    .to_vec();
    assert_eq!(rules().check(&identifiers), []);
    assert_eq!(IdentifierRules::default().check(&identifiers), []);
    assert_eq!(IdentifierRules::default().check(&[])[0].code, "none");
}

#[test]
fn the_default_namespace_is_applied_only_if_the_circuit_says_so() {
    let bare = vec![Identifier::contextual(Scope::User, "k", "v")];
    let applied = |auto: bool, default: Option<&str>| {
        let rules = IdentifierRules {
            auto_apply_namespace: auto,
            ..IdentifierRules::default()
        };
        rules.apply_namespace(default, bare.clone())[0]
            .namespace
            .clone()
            .unwrap()
    };
    assert_eq!(applied(true, Some("soja")), "soja");
    assert_eq!(applied(false, Some("soja")), "generic");
    assert_eq!(applied(true, None), "generic");
}

#[test]
fn the_rules_themselves_are_checked() {
    let wrong = IdentifierRules {
        required_canonical: vec!["Ear Tag".to_owned()],
        allowed_namespaces: vec![String::new()],
        ..rules()
    };
    let found: Vec<_> = wrong
        .validate("rules")
        .into_iter()
        .map(|error| (error.field, error.code))
        .collect();
    assert_eq!(
        found,
        [
            ("rules.required_canonical[0]".to_owned(), "bad_character"),
            ("rules.allowed_namespaces[0]".to_owned(), "blank"),
        ]
    );
    assert_eq!(rules().validate("rules"), []);
    assert!(serde_json::from_value::<IdentifierRules>(json!({ "fingerprint": true })).is_err());
}

#[test]
fn a_public_view_waits_for_its_time() {
    let at = |secs| Timestamp::from_secs(secs);
    let settings = PublicSettings {
        enabled: true,
        publish_at: Some(at(10)),
        ..PublicSettings::default()
    };
    assert!(!settings.is_shown_at(at(9)) && settings.is_shown_at(at(10)));
    assert!(
        !PublicSettings {
            enabled: false,
            ..settings.clone()
        }
        .is_shown_at(at(20))
    );
    let wrong = PublicSettings {
        logo_url: Some("javascript:x".to_owned()),
        colour: Some("red".to_owned()),
        ..settings.clone()
    };
    let fields: Vec<_> = wrong
        .validate("public")
        .into_iter()
        .map(|error| error.field)
        .collect();
    assert_eq!(fields, ["public.logo_url", "public.colour"]);
    assert_eq!(settings.validate("public"), []);
}

#[test]
fn names_have_bounds() {
    assert_eq!(check_texts("Beef", Some("from farm to gate")), []);
    assert_eq!(check_texts("  ", None)[0].code, "length");
    assert_eq!(check_texts("a\nb", None)[0].code, "control_character");
    assert_eq!(check_texts("a", Some(&"x".repeat(4097)))[0].field, "description");
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn granting_never_adds_power(holder in 0u16..512, wanted in 0u16..512) {
        let (holder, wanted) = (Permissions::from_bits(holder).unwrap(), Permissions::from_bits(wanted).unwrap());
        prop_assert_eq!(can_grant(holder, wanted), wanted.iter().all(|one| holder.contains(one)));
        prop_assert_eq!(can_grant(holder, wanted), wanted.without(holder).is_empty());
    }

    #[test]
    fn sets_survive_the_wire_and_the_column(bits in 0u16..512) {
        let set = Permissions::from_bits(bits).unwrap();
        let json = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(serde_json::from_str::<Permissions>(&json).unwrap(), set);
        prop_assert_eq!(set.bits(), bits);
        prop_assert_eq!(set.iter().collect::<Permissions>(), set);
    }
}
