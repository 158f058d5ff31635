//! Where U+0000 stands in a JSON text.

use domain::nul;

#[test]
fn u0000_is_found_in_json_and_named() {
    let found = |text: &str| nul::in_json("body", text.as_bytes()).map(|error| error.field);
    let at = |path: &str| Some(path.to_owned());
    assert_eq!(found(r#"{"a": [1, {"b": "x\u0000y"}]}"#), at("a[1].b"));
    assert_eq!(found(r#"{"a": {"b\u0000": 1}}"#), at("a"));
    assert_eq!(found(r#"{"\u0000": 1}"#), at("body"));
    assert_eq!(
        found(r#""\\\u0000""#),
        at("body"),
        "a backslash, then the character"
    );
    assert_eq!(found(r#"{"a": "\\u0000"}"#), None, "a backslash and five letters");
    assert_eq!(found(r#"{"a": "\u0000""#), None, "no JSON");
}
