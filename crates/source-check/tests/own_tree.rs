//! Our own source: nothing is found in it, and every fault that is put into it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use source_check::{Config, Rule, Source, Verdict, check, check_sources, load_config};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn nothing_is_found_in_our_own_source() {
    let config = load_config(&root(), None).unwrap();
    let report = check(&root(), &config).unwrap();
    assert!(report.lines > 2_000, "only {} lines were read", report.lines);
    assert_eq!(
        report.verdict(),
        Verdict::Pass,
        "{}",
        source_check::output::people(&report, false)
    );
}

/// What is put at the end of a body of ours, and what is added behind the file, for each rule. `@` is a number.
const FAULTS: &[(Rule, &str, &str)] = &[
    (
        Rule::GuardAcrossAwait,
        "let _ = async { let _held = FAULT@.lock().unwrap(); std::future::ready(()).await; };",
        "static FAULT@: std::sync::Mutex<u8> = std::sync::Mutex::new(0);",
    ),
    (
        Rule::BlockingLock,
        "let _ = async { fault@(); };",
        "fn fault@() { let _ = Some(1).map(|_| FAULT@.lock().unwrap().checked_add(1)); }\n\
         static FAULT@: std::sync::Mutex<u8> = std::sync::Mutex::new(0);",
    ),
    (
        Rule::SharedStoreLock,
        "",
        "struct Fault@ { all: std::sync::Arc<std::sync::RwLock<std::collections::HashMap<u8, u8>>> }",
    ),
    (
        Rule::BlockOn,
        "let _ = async { futures::executor::block_on(async {}) };",
        "",
    ),
    (
        Rule::BlockInPlace,
        "let _ = async { tokio::task::block_in_place(|| 1) };",
        "",
    ),
    (
        Rule::PasswordHash,
        "let _ = async { bcrypt::hash(\"p\", 12).map_err(drop) };",
        "",
    ),
    (
        Rule::Compression,
        "let _ = async { zstd::encode_all(&b\"x\"[..], 3).is_ok() };",
        "",
    ),
    (
        Rule::BlockingFs,
        "let _ = async { if let Ok(_text) = std::fs::read(\"x\") {} };",
        "",
    ),
    (
        Rule::ThreadSleep,
        "let _ = async { fault@() };",
        "fn fault@() { std::thread::sleep(Default::default()) }",
    ),
    (
        Rule::BlockingClient,
        "let _ = async { ureq::get(\"http://x.test\").call().is_ok() };",
        "",
    ),
    (
        Rule::LockOrder,
        "let _ = (FAULTA@.lock().unwrap(), FAULTB@.lock().unwrap()); let _ = (FAULTB@.lock().unwrap(), FAULTA@.lock().unwrap());",
        "static FAULTA@: std::sync::Mutex<u8> = std::sync::Mutex::new(0);\n\
         static FAULTB@: std::sync::Mutex<u8> = std::sync::Mutex::new(0);",
    ),
    (
        Rule::LockAcrossIo,
        "let _ = async { let _held = FAULT@.lock().await; let _ = reqwest::get(\"http://x.test\").await; };",
        "static FAULT@: tokio::sync::Mutex<u8> = tokio::sync::Mutex::const_new(0);",
    ),
    (Rule::InvalidSilence, "// farmgate: allow(blocking-fs)\n", ""),
    (
        Rule::UnusedSilence,
        "// farmgate: allow(blocking-fs) because it was needed once\n",
        "",
    ),
];

/// Byte offsets right after the brace that opens a function's body.
fn bodies(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let code = line.trim_start();
        let starts = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "async fn ",
            "pub async fn ",
        ];
        let is_method_of_trait = line.trim_end().ends_with(';');
        if starts.iter().any(|start| code.starts_with(start))
            && line.trim_end().ends_with('{')
            && !is_method_of_trait
        {
            found.push(at + line.trim_end().len());
        }
        at += line.len();
        // What follows is test code, which is not read.
        if code.starts_with("#[cfg(test)]") {
            break;
        }
    }
    found
}

fn own_files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["corpus", "tests", "benches", "examples", "target"].contains(&name.as_str())
            {
                folders.push(path);
            } else if name.ends_with(".rs") {
                found.push((
                    path.to_string_lossy().into_owned(),
                    std::fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    found.sort();
    // The rules' examples are functions inside of texts, and what a macro's definition holds is not yet a function:
    // the manual names both as beyond the check.
    found.retain(|(file, text)| {
        let examples = file.ends_with("source-check/src/rules.rs");
        !bodies(text).is_empty() && !examples && !text.contains("macro_rules!")
    });
    found
}

#[test]
fn every_fault_put_into_our_own_source_is_found() {
    let files = own_files();
    let mut random = ChaCha8Rng::seed_from_u64(20_261_121);
    for (rule, inside, behind) in FAULTS {
        for number in 0..12 {
            let (file, text) = &files[random.random_range(0..files.len())];
            let places = bodies(text);
            let place = places[random.random_range(0..places.len())];
            let fill = |fault: &str| fault.replace('@', &number.to_string());
            let mutated = format!(
                "{}\n{}\n{}\n{}\n",
                &text[..place],
                fill(inside),
                &text[place..],
                fill(behind)
            );
            let source = Source {
                file: file.clone(),
                text: mutated,
                module: "own".to_owned(),
                edition: 2024,
            };
            let report = check_sources(&[source], &Config::default());
            assert!(report.unread.is_empty(), "{file}: {:?}", report.unread);
            let found = report.findings.iter().any(|finding| finding.rule == *rule);
            assert!(found, "{} not found in {file} at byte {place}", rule.id());
        }
    }
}
