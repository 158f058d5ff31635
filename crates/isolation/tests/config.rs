//! What is read of a configuration file, and where its errors are said to be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use isolation::{Config, EXAMPLE};

/// What is said of a file with this text.
fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path).unwrap_err().to_string()
}

#[test]
fn an_error_has_its_line_and_column_in_a_file_of_its_own_and_in_one_for_more() {
    let alone = refused("[target]\nurl = 7\n");
    let within = refused("[load]\nuser = 3\n[isolation.target]\nurl = 7\n");
    for (said, place) in [(alone, "line 2, column 7"), (within, "line 4, column 7")] {
        assert!(said.contains("some.toml") && said.contains(place), "{said}");
    }
}

#[test]
fn a_table_of_a_file_for_more_is_read_as_a_file_of_its_own_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.toml");
    let table: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let mut whole = toml::Table::new();
    whole.insert("isolation".to_owned(), table.into());
    whole.insert("load".to_owned(), "somebody else's".into());
    std::fs::write(&path, whole.to_string()).unwrap();
    let read = Config::load(&path).unwrap();
    let alone = Config::parse("example.toml", EXAMPLE).unwrap();
    assert_eq!(format!("{read:?}"), format!("{alone:?}"));
}
