//! The committed reference is what the code says.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads whether it is to rewrite the document"
)]
fn the_reference_is_generated_from_the_table_of_what_is_supported() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hurl.md");
    let reference = scenario::support::reference();
    if std::env::var("UPDATE_DOCS").is_ok_and(|v| v == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &reference).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        committed, reference,
        "run UPDATE_DOCS=1 cargo test -p scenario --test docs"
    );
}

#[test]
fn the_table_has_everything_that_the_format_has() {
    use scenario::support::{FILTERS, PREDICATES, Support, options, queries};
    assert_eq!(
        (
            options().count(),
            queries().count(),
            FILTERS.len(),
            PREDICATES.len()
        ),
        (48, 18, 33, 26)
    );
    let refused: Vec<_> = options()
        .filter(|o| matches!(o.support, Support::Refused(_)))
        .map(|o| o.name)
        .collect();
    assert!(
        ["ntlm", "negotiate", "http3", "unix-socket", "proxy"]
            .iter()
            .all(|n| refused.contains(n))
    );
}
