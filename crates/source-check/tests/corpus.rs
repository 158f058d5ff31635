//! The corpus: small files whose expected findings are marked in them, compared exactly by line and rule.
//!
//! `//~ rule rule` expects them in its own line, `//~^ rule` in the line above. `// edition: 2021` in the first line sets
//! the edition; 2024 is the default.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use source_check::{Config, Rule, Source, check_sources};

type Expected = BTreeSet<(usize, String)>;

fn files(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(kind);
    let mut found = Vec::new();
    for rule in std::fs::read_dir(root).unwrap() {
        found.extend(
            std::fs::read_dir(rule.unwrap().path())
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
    }
    found.sort();
    found
}

fn expected(text: &str) -> Expected {
    let mut found = Expected::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, rules)) = line.split_once("//~") else {
            continue;
        };
        let (line, rules) = match rules.strip_prefix('^') {
            Some(rules) => (index, rules),
            None => (index + 1, rules),
        };
        found.extend(rules.split_whitespace().map(|rule| (line, rule.to_owned())));
    }
    found
}

fn found(path: &Path, text: &str) -> Expected {
    let edition = text
        .strip_prefix("// edition: ")
        .and_then(|rest| rest[..4].parse().ok())
        .unwrap_or(2024);
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let source = Source {
        file,
        text: text.to_owned(),
        module: "corpus".to_owned(),
        edition,
    };
    let report = check_sources(&[source], &Config::default());
    assert!(
        report.unread.is_empty(),
        "{}: {:?}",
        path.display(),
        report.unread
    );
    report
        .findings
        .iter()
        .map(|finding| (finding.line as usize, finding.rule.id().to_owned()))
        .collect()
}

fn compare(kind: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in files(kind) {
        let text = std::fs::read_to_string(&path).unwrap();
        let (expected, found) = (expected(&text), found(&path, &text));
        let rule = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        assert!(Rule::from_id(&rule).is_some(), "{rule} is no rule");
        assert_eq!(
            kind == "positive",
            expected.iter().any(|(_, id)| *id == rule),
            "{}",
            path.display()
        );
        if expected != found {
            wrong.push(format!(
                "{}\n  expected {expected:?}\n  found    {found:?}",
                path.display()
            ));
        }
    }
    wrong
}

#[test]
fn every_fault_is_found_at_its_line() {
    let wrong = compare("positive");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn nothing_else_is_found() {
    let wrong = compare("negative");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_is_large_and_covers_every_rule() {
    let (positive, negative) = (files("positive"), files("negative"));
    assert!(positive.len() + negative.len() >= 150);
    for rule in Rule::ALL {
        let of = |files: &[PathBuf]| {
            files
                .iter()
                .filter(|file| file.parent().unwrap().ends_with(rule.id()))
                .count()
        };
        assert!(
            of(&positive) >= 3 && of(&negative) >= 2,
            "{} has too few",
            rule.id()
        );
    }
}
