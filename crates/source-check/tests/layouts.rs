//! Whole folders: which crate and module each file is, so that calls are followed from one to the other.
//!
//! A line that ends in `//~` is expected to be found, and no other.

#![allow(clippy::unwrap_used, reason = "a test that cannot write its files has failed")]

use std::collections::BTreeSet;

use source_check::{Config, check};

const LOAD: &str = "pub fn load() {\n    std::fs::read(\"a\").ok();\n}\n";

fn package(name: &str, more: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
}

/// Writes the files, checks their folder, and compares what is found with what they expect.
fn agrees(files: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::new();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        let marked = text.lines().enumerate().filter(|(_, line)| line.ends_with("//~"));
        expected.extend(marked.map(|(index, _)| ((*file).to_owned(), index + 1)));
    }
    let report = check(folder.path(), &Config::default()).unwrap();
    let found: BTreeSet<(String, usize)> = report
        .findings
        .iter()
        .map(|finding| (finding.file.clone(), finding.line as usize))
        .collect();
    assert!(report.unread.is_empty(), "{:?}", report.unread);
    assert_eq!(found, expected);
}

#[test]
fn a_program_in_a_folder_of_its_own_is_a_crate() {
    let main =
        "mod db;\n\nasync fn f() {\n    db::load(); //~\n    crate::db::load(); //~\n}\n\nfn main() {}\n";
    for folder in ["src/bin/tool", "examples/tool"] {
        agrees(&[
            ("Cargo.toml", &package("x", "")),
            (&format!("{folder}/main.rs"), main),
            (&format!("{folder}/db.rs"), LOAD),
        ]);
    }
}

#[test]
fn each_program_in_one_file_is_a_crate() {
    let one = format!("{LOAD}async fn f() {{\n    crate::load(); //~\n}}\n\nfn main() {{}}\n");
    let two = "pub fn load() {}\n\nasync fn f() {\n    crate::load();\n}\n\nfn main() {}\n";
    for folder in ["src/bin", "examples"] {
        agrees(&[
            ("Cargo.toml", &package("x", "")),
            ("src/lib.rs", "pub fn load() {}\n"),
            (&format!("{folder}/one.rs"), &one),
            (&format!("{folder}/two.rs"), two),
        ]);
    }
}

#[test]
fn a_library_is_known_by_its_own_name_and_place() {
    let uses = "pub async fn f() {\n    alib::load(); //~\n    alib::deep::load(); //~\n}\n";
    let library = format!("pub mod deep;\n{LOAD}async fn f() {{\n    crate::deep::load(); //~\n}}\n");
    for (folder, more) in [
        ("a/src/lib.rs", "[lib]\nname = \"alib\"\n"),
        ("a/src/a.rs", "[lib]\nname = \"alib\"\npath = \"src/a.rs\"\n"),
        ("a/lib.rs", "[lib]\nname = \"alib\"\npath = \"lib.rs\"\n"),
        ("a/code/a.rs", "[lib]\nname = \"alib\"\npath = \"code/a.rs\"\n"),
    ] {
        let deep = folder.rsplit_once('/').unwrap().0.to_owned() + "/deep.rs";
        agrees(&[
            ("a/Cargo.toml", &package("pkg-a", more)),
            (folder, &library),
            (&deep, LOAD),
            (
                "b/Cargo.toml",
                &package("b", "[dependencies]\npkg-a = { path = \"../a\" }\n"),
            ),
            ("b/src/lib.rs", uses),
        ]);
    }
}

#[test]
fn a_dependency_is_known_by_the_name_it_is_given() {
    let uses = "use second as third;\nuse second::load;\n\npub async fn f() {\n    second::load(); //~\n    third::load(); //~\n    load(); //~\n}\n\npub async fn h() -> bool {\n    pass_words::verify(\"a\", \"b\").is_ok() //~\n}\n";
    let second = "second = { package = \"pkg-a\", path = \"../a\" }\n";
    let bcrypt = "pass-words = { package = \"bcrypt\", version = \"0.17\" }\n";
    let above = format!("[workspace]\nmembers = [\"a\", \"b\"]\n[workspace.dependencies]\n{second}");
    for (workspace, dependencies) in [
        ("", format!("[dependencies]\n{second}{bcrypt}")),
        (
            above.as_str(),
            format!("[dependencies]\nsecond.workspace = true\n[target.'cfg(unix)'.dependencies]\n{bcrypt}"),
        ),
    ] {
        agrees(&[
            ("Cargo.toml", workspace),
            ("a/Cargo.toml", &package("pkg-a", "")),
            ("a/src/lib.rs", LOAD),
            ("b/Cargo.toml", &package("b", &dependencies)),
            ("b/src/lib.rs", uses),
        ]);
    }
}

#[test]
fn a_folder_without_a_manifest_is_a_crate() {
    let calls =
        "use crate::util::load;\n\npub async fn f() {\n    load(); //~\n    crate::util::load(); //~\n}\n";
    let itself = format!("mod inner {{\n    async fn f() {{\n        crate::load(); //~\n    }}\n}}\n{LOAD}");
    agrees(&[("handlers.rs", calls), ("util.rs", LOAD), ("itself.rs", &itself)]);
    let files = |folder: &str| {
        [
            (format!("{folder}main.rs"), "mod a;\nmod util;\nfn main() {}\n"),
            (format!("{folder}a/mod.rs"), calls),
            (format!("{folder}util.rs"), LOAD),
        ]
    };
    for folder in ["", "src/", "one/src/"] {
        let files = files(folder);
        agrees(&files.each_ref().map(|(file, text)| (file.as_str(), *text)));
    }
}
