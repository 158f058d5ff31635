//! What is attached to items and events: data bounds, event types, tags, and leaves of the log.

use domain::{
    canonical::{MAX_DATA_BYTES, check_data, to_bytes},
    dfid::Dfid,
    event::{EventSubject, EventType, check_source, check_tags},
    ids::{Day, Timestamp},
    leaf::{Commitment, Leaf, LeafKind, commitment, subject_commitment},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn codes(data: &Value) -> Vec<(String, &'static str)> {
    check_data("data", data)
        .into_iter()
        .map(|error| (error.field, error.code))
        .collect()
}

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

#[test]
fn data_is_an_object_within_size_and_depth() {
    assert_eq!(codes(&json!([])), [("data".to_owned(), "wrong_type")]);
    assert_eq!(codes(&json!(null)), [("data".to_owned(), "wrong_type")]);
    assert!(codes(&nested(16)).is_empty());
    assert_eq!(codes(&nested(17))[0].1, "too_deep");
    // {"a":"xxx"} takes eight bytes besides the text.
    assert!(codes(&json!({ "a": "x".repeat(MAX_DATA_BYTES - 8) })).is_empty());
    assert_eq!(
        codes(&json!({ "a": "x".repeat(MAX_DATA_BYTES - 7) })),
        [("data".to_owned(), "too_large")]
    );
}

#[test]
fn numbers_that_canonical_json_would_change_are_refused() {
    let exact = 9_007_199_254_740_991i64;
    assert!(
        codes(&json!({ "a": exact, "b": -exact, "c": 0.1, "d": 1e-300, "e": 9_007_199_254_740_991.0 }))
            .is_empty()
    );
    let wrong = codes(&json!({ "a": [1, exact + 1] }));
    assert_eq!(wrong, [("data.a[1]".to_owned(), "inexact_number")]);
    assert_eq!(codes(&json!({ "a": u64::MAX }))[0].1, "inexact_number");
    assert_eq!(codes(&json!({ "a": -exact - 1 }))[0].1, "inexact_number");
    // Beyond 64 bits, and with an exponent: nobody knows any more which number was sent.
    for text in [
        "123456789012345678901234567890",
        "-18446744073709551617",
        "9007199254740992.0",
        "1e300",
    ] {
        let number: Value = serde_json::from_str(text).unwrap();
        assert_eq!(codes(&json!({ "a": number }))[0].1, "inexact_number", "{text}");
    }
}

#[test]
fn canonical_bytes_are_those_of_rfc_8785() {
    // The example of RFC 8785, section 3.2.2 (numbers and literals), and sorting by UTF-16 code units (3.2.3).
    let value: Value =
        serde_json::from_str(r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"literals":[null,true,false]}"#)
            .unwrap();
    let canonical = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}"#;
    assert_eq!(String::from_utf8(to_bytes(&value).unwrap()).unwrap(), canonical);
    let sorted = to_bytes(&json!({ "\u{fb33}": 1, "\u{1f600}": 2, "\u{20ac}": 3 })).unwrap();
    assert_eq!(
        String::from_utf8(sorted).unwrap(),
        "{\"\u{20ac}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"
    );
}

#[test]
fn event_types_are_kept_as_given() {
    for good in ["created", "item.moved", "epcis:ObjectEvent", "a", &"x".repeat(64)] {
        assert_eq!(EventType::new("event_type", good).unwrap().as_str(), good);
    }
    let code = |text: &str| EventType::new("type", text).unwrap_err().code;
    assert_eq!(code(""), "blank");
    assert_eq!(code(&"x".repeat(65)), "too_long");
    assert_eq!(code("item moved"), "bad_character");
    assert_eq!(code("évento"), "bad_character");
}

#[test]
fn tags_are_trimmed_sorted_and_bounded() {
    let tags = |list: &[&str]| check_tags(&list.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(tags(&[" b", "a ", "b"]).unwrap(), ["a", "b"]);
    let broken = tags(&["a", " ", &"x".repeat(65), "b\u{7}"]).unwrap_err();
    let fields: Vec<_> = broken
        .iter()
        .map(|error| (error.field.as_str(), error.code))
        .collect();
    assert_eq!(
        fields,
        [
            ("tags[1]", "length"),
            ("tags[2]", "length"),
            ("tags[3]", "control_character")
        ]
    );
    assert_eq!(tags(&["x"; 33]).unwrap_err()[0].code, "too_many");
    assert!(check_source("scale-7").is_none());
    assert_eq!(check_source(" ").unwrap().code, "length");
}

#[test]
fn an_event_about_an_item_is_never_edited() {
    let dfid = Dfid::new(Day::new(2026, 1, 1).unwrap(), [1; 10]);
    assert!(EventSubject::of(None).is_editable());
    assert!(!EventSubject::of(Some(dfid)).is_editable());
}

#[test]
fn a_leaf_has_the_bytes_its_documentation_promises() {
    let salt = [7; 32];
    let time = Timestamp::from_secs(1_772_366_400);
    let leaf = Leaf::new(
        LeafKind::Event,
        "DFID-20260301-0123456789-M4",
        br#"{"a":1}"#,
        &salt,
        time,
    );
    // printf 'farmgate/leaf/subject/v1\0' + 32 bytes 07 + the subject, and the same for the payload, into sha256sum.
    let expected = concat!(
        r#"{"hash":"f283f50d9cd8a2859b0a97b85d1030dc3fea3fd55025bfce30dd9ea5bd51c8d1","kind":"event","#,
        r#""subject":"1e25d4b2642a27f34e3f9d23fa98dcce92e28f4253f559741efdef3e29ed5d2a","#,
        r#""time":"2026-03-01T12:00:00Z","v":1}"#
    );
    assert_eq!(
        String::from_utf8(leaf.canonical_bytes().unwrap()).unwrap(),
        expected
    );
    assert_eq!(serde_json::from_str::<Leaf>(expected).unwrap(), leaf);
    assert!(serde_json::from_str::<Leaf>(&expected.replace("\"v\":1", "\"v\":1,\"w\":1")).is_err());
}

#[test]
fn subject_and_payload_are_separate_domains() {
    assert_ne!(commitment(&[0; 32], b"x"), subject_commitment(&[0; 32], "x"));
    assert!(serde_json::from_str::<Commitment>("\"00\"").is_err());
}

proptest! {
    #![proptest_config(crate::seeded())]

    #[test]
    fn a_leaf_opens_for_its_record_and_no_other(payload in any::<Vec<u8>>(), subject in ".{0,20}", salt in any::<[u8; 32]>(), flip in 0usize..256) {
        let leaf = Leaf::new(LeafKind::Audit, &subject, &payload, &salt, Timestamp::EPOCH);
        prop_assert!(leaf.opens(&subject, &payload, &salt));
        let mut other_salt = salt;
        other_salt[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(!leaf.opens(&subject, &payload, &other_salt));
        let longer = [payload.as_slice(), &[0]].concat();
        prop_assert!(!leaf.opens(&subject, &longer, &salt));
        let other_subject = format!("{}x", subject);
        prop_assert!(!leaf.opens(&other_subject, &payload, &salt));
    }
}
