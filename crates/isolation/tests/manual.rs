//! The manual says what the code says.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use isolation::Rule;

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/isolation.md");

/// The table of rules as the manual must have it.
fn table() -> String {
    let rows = Rule::ALL
        .iter()
        .map(|rule| format!("| `{}` | {} |\n", rule.id(), rule.what()));
    format!(
        "| rule | what has happened when it is broken |\n| --- | --- |\n{}",
        rows.collect::<String>()
    )
}

#[test]
#[allow(clippy::disallowed_methods, reason = "`UPDATE_DOCS=1` rewrites the manual")]
fn the_manual_lists_every_rule() {
    let manual = std::fs::read_to_string(MANUAL).unwrap();
    let (begin, end) = ("<!-- rules -->\n", "<!-- end of rules -->");
    let (before, rest) = manual.split_once(begin).unwrap();
    let (listed, after) = rest.split_once(end).unwrap();
    if std::env::var("UPDATE_DOCS").is_ok() {
        std::fs::write(MANUAL, format!("{before}{begin}{}{end}{after}", table())).unwrap();
        return;
    }
    assert_eq!(listed, table(), "run with UPDATE_DOCS=1");
}
