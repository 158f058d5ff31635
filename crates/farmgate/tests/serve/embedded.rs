//! The embedded database: who may work on it, and how its schema is moved.

use crate::served::{Served, run};

#[test]
fn one_process_at_a_time_works_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[], &[]);
    for command in [
        &["serve"][..],
        &["migrate", "up"],
        &["migrate", "down", "--to", "0"],
    ] {
        let (code, text) = run(folder.path(), &[("PORT", "0")], command);
        assert_eq!(code, 3, "{command:?}: {text}");
        assert!(text.contains("another farmgate process works on"), "{text}");
    }
    assert!(
        served
            .get("url", "/health")
            .contains("\"disk\":{\"status\":\"healthy\"")
    );
    drop(served);
    drop(Served::start(folder.path(), &[], &[]));
}

#[test]
fn the_schema_goes_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let migrate = |words: &[&str]| run(folder.path(), &[], &[&["migrate"], words].concat());
    for asked in [&["status"][..], &["check"], &["down", "--to", "0"]] {
        let (code, text) = migrate(asked);
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("there is no database at"), "{text}");
    }
    assert!(
        !folder.path().join("farmgate-data").exists(),
        "looking makes nothing"
    );
    assert_eq!(migrate(&["up", "--to", "2"]), (0, "applied: [1, 2]\n".to_owned()));
    assert_eq!(migrate(&["check"]).0, 1);
    for action in ["up", "down"] {
        let (code, text) = migrate(&[action, "--to", "999"]);
        assert_eq!(code, 3, "{text}");
        assert!(text.contains("no such version"), "{text}");
    }
    assert_eq!(
        migrate(&["down", "--to", "1"]),
        (0, "taken back: [2]\n".to_owned())
    );
    assert_eq!(migrate(&["up"]).0, 0);
    assert_eq!(migrate(&["check"]).0, 0);
}

#[test]
fn a_password_that_breaks_the_rules_is_told_with_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("FARMGATE_ADMIN_PASSWORD", "short"), ("PORT", "0")];
    for (command, exit) in [(&["config", "check"][..], 1), (&["serve"], 3)] {
        let (code, text) = run(folder.path(), &environment, command);
        assert_eq!(code, exit, "{text}");
        let named = text.contains("FARMGATE_ADMIN_PASSWORD") && text.contains("at least 10 characters");
        assert!(named, "{text}");
    }
}
