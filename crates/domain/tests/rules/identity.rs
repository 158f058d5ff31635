//! Names, addresses, passwords, roles, API keys, address ranges, slugs.

use std::net::IpAddr;

use domain::identity::{
    ApiKeyToken, ApiScope, Cidr, CidrError, Email, Role, UserStatus, Username, check_password,
    check_workspace_name, slug,
};
use proptest::prelude::*;
use uuid::Uuid;

#[test]
fn usernames_are_ascii_and_compare_without_case() {
    assert_eq!(
        Username::new("Ana.Silva").unwrap(),
        Username::new("ana.silva").unwrap()
    );
    assert_eq!(Username::new("Ana").unwrap().as_str(), "Ana");
    assert_ne!(Username::new("ana").unwrap(), Username::new("ana1").unwrap());
    let code = |text: &str| Username::new(text).unwrap_err().code;
    assert_eq!(code("ab"), "length");
    assert_eq!(code(&"a".repeat(65)), "length");
    assert_eq!(code("ana silva"), "bad_character");
    // A Cyrillic a and a full-width A look like ours and are not.
    assert_eq!(code("аna"), "bad_character");
    assert_eq!(code("Ａna"), "bad_character");
}

#[test]
fn addresses_are_checked_pragmatically() {
    for good in [
        "a@example.org",
        " Ana+farm@Sub.Example.org ",
        "o'neil@xn--caf-dma.example",
    ] {
        assert!(Email::new(good).is_ok(), "{good}");
    }
    assert_eq!(
        Email::new("Ana@Example.org").unwrap(),
        Email::new("ana@example.org").unwrap()
    );
    let long = format!("{}@example.org", "a".repeat(65));
    let longer = format!("a@{}", ["b".repeat(60).as_str(); 5].join("."));
    for bad in [
        "",
        "a",
        "a@",
        "@example.org",
        "a@b",
        "a b@example.org",
        "a@example..org",
        "a@-example.org",
        ".a@example.org",
        "a..b@example.org",
        "a@b@example.org",
        "a@example.org\r\nBcc: x@example.org",
        "a@exämple.org",
        &long,
        &longer,
    ] {
        assert!(Email::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_password_is_long_enough_and_not_the_name() {
    let (name, email) = (
        Username::new("maria.silva").unwrap(),
        Email::new("maria@example.org").unwrap(),
    );
    let code = |password: &str| check_password(password, &name, Some(&email)).map(|error| error.code);
    assert_eq!(code("correct horse"), None);
    assert_eq!(code("123456789"), Some("too_short"));
    assert_eq!(
        code("ÄÄÄÄÄÖÖÖÖ"),
        Some("too_short"),
        "characters count, not bytes"
    );
    assert_eq!(code(&"xy".repeat(128)), None);
    assert_eq!(code(&format!("{}z", "xy".repeat(128))), Some("too_long"));
    assert_eq!(code("MARIA.silva"), Some("same_as_username"));
    assert_eq!(code("Maria@example.org"), Some("same_as_email"));
    assert_eq!(code("aaaaaaaaaaaa"), Some("one_character"));
    let message = check_password("123456789", &name, None).unwrap().message;
    assert!(message.contains("10") && !message.contains("123456789"));
}

#[test]
fn roles_are_ordered() {
    assert!(Role::Owner > Role::Admin && Role::Admin > Role::Member && Role::Member > Role::Viewer);
    assert!(Role::Admin.may_assign(Role::Admin) && !Role::Admin.may_assign(Role::Owner));
    assert!(!Role::Member.may_assign(Role::Viewer));
    let may_act: Vec<_> = UserStatus::ALL.iter().filter(|status| status.may_act()).collect();
    assert_eq!(may_act, [&UserStatus::Active]);
}

#[test]
fn an_api_key_never_shows_its_secret_by_accident() {
    let key = ApiKeyToken::new(Uuid::from_u128(1).into(), [0xfb; 32]);
    let text = key.reveal();
    assert!(text.starts_with("fg_00000000000000000000000000000001_"));
    let secret = &text[36..];
    assert!(!format!("{key:?}").contains(secret) && !format!("{key:?}").contains("251"));
    for bad in [
        "",
        "fg_",
        "fg_1_2",
        &text[..text.len() - 1],
        &format!("{text}A"),
        &text.replace("fg_", "gf_"),
        &text.replacen('0', "-", 1),
    ] {
        let error = bad.parse::<ApiKeyToken>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "not an API key: expected `fg_<id>_<secret>`",
            "{bad}"
        );
    }
}

#[test]
fn scopes_are_a_closed_set() {
    assert_eq!("items:read".parse(), Ok(ApiScope::ItemsRead));
    assert!(
        "items:delete"
            .parse::<ApiScope>()
            .unwrap_err()
            .to_string()
            .contains("items:read, items:write")
    );
    for required in [
        "circuits:read",
        "circuits:write",
        "events:read",
        "events:write",
        "admin:read",
        "admin:write",
        "notifications:read",
    ] {
        assert!(required.parse::<ApiScope>().is_ok(), "{required}");
    }
}

fn holds(range: &str, address: &str) -> bool {
    range
        .parse::<Cidr>()
        .unwrap()
        .contains(address.parse::<IpAddr>().unwrap())
}

#[test]
fn ranges_hold_their_addresses() {
    assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.0"));
    assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
    assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
    assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::"));
    assert!(holds("::/0", "2001:db8::1"));
    // IPv4 written in IPv6 counts as IPv4, on both sides.
    assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3") && holds("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert!(!holds("::/0", "::ffff:10.1.2.3"));
}

#[test]
fn a_malformed_range_is_refused() {
    let error = |text: &str| text.parse::<Cidr>().unwrap_err();
    assert_eq!(error("10.0.0.0/33"), CidrError::Prefix { max: 32 });
    assert_eq!(error("::/129"), CidrError::Prefix { max: 128 });
    for text in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
        assert_eq!(error(text), CidrError::Prefix { max: 32 }, "{text}");
    }
    assert_eq!(error("10.0.0"), CidrError::Address);
    assert!(
        error("10.0.0.1/8")
            .to_string()
            .contains("did you mean 10.0.0.0/8?")
    );
}

#[test]
fn slugs_are_plain() {
    assert_eq!(slug("Fazenda São João & Filhos"), "fazenda-sao-joao-filhos");
    assert_eq!(slug("  --Ação!!  "), "acao");
    assert_eq!(slug("Sa\u{303}o"), "sao");
    assert_eq!(slug("農場"), "workspace");
    assert!(slug(&"ab ".repeat(60)).len() <= 48);
    assert!(check_workspace_name("workspace_name", "Fazenda").is_none());
    assert_eq!(
        check_workspace_name("workspace_name", " ").unwrap().code,
        "length"
    );
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn an_api_key_survives_its_text(id in any::<u128>(), secret in any::<[u8; 32]>(), other in any::<[u8; 32]>()) {
        let key = ApiKeyToken::new(Uuid::from_u128(id).into(), secret);
        let read: ApiKeyToken = key.reveal().parse().unwrap();
        prop_assert_eq!(read.id(), key.id());
        prop_assert!(read.matches(&key.secret_hash()));
        prop_assert!(secret == other || !ApiKeyToken::new(key.id(), other).matches(&key.secret_hash()));
    }

    #[test]
    fn a_range_agrees_with_its_bits(network in any::<u32>(), prefix in 0u32..=32, address in any::<u32>(), near in any::<bool>()) {
        let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) };
        // Half of the addresses share the prefix, or nearly none would lie inside.
        let address = if near { network & mask | address & !mask } else { address };
        let range: Cidr = format!("{}/{prefix}", std::net::Ipv4Addr::from(network & mask)).parse().unwrap();
        prop_assert_eq!(range.contains(IpAddr::V4(address.into())), address & mask == network & mask);
        prop_assert_eq!(range.to_string().parse::<Cidr>().unwrap(), range);
    }

    #[test]
    fn a_slug_is_a_fixed_point(name in "\\PC{0,80}") {
        let plain = slug(&name);
        prop_assert_eq!(&slug(&plain), &plain);
        prop_assert!(!plain.is_empty() && !plain.starts_with('-') && !plain.ends_with('-') && !plain.contains("--"));
    }
}
