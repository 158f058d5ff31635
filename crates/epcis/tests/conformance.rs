//! The documents of GS1 and OpenEPCIS: valid ones are read whole, invalid ones are refused.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::path::{Path, PathBuf};

/// Documents that the set calls invalid and whose fault lies outside what is read here.
const BEYOND: [&str; 1] = ["ObjectEvent_with_invalid_certificationInfo.json"];

/// The folder with the data; nothing, said aloud, where it is absent. In CI its absence is a failure.
#[allow(clippy::disallowed_methods, reason = "a test's own settings")]
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var("FARMGATE_CONFORMANCE_DATA")
        .map_or_else(|_| root.join("../shared/data"), PathBuf::from);
    let folder = data.join("epcis");
    if folder.is_dir() {
        return Some(folder);
    }
    let folder = folder.display();
    assert!(
        std::env::var_os("CI").is_none(),
        "{folder} is absent, and CI needs it"
    );
    eprintln!("not run: no EPCIS documents in {folder}; FARMGATE_CONFORMANCE_DATA names another place");
    None
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path
            .extension()
            .is_some_and(|ext| ext == "json" || ext == "jsonld")
        {
            found.push(path);
        }
    }
    found.sort();
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    documents(&folder.join("gs1-examples"), &mut found);
    documents(&folder.join("openepcis"), &mut found);
    // Queries ask for events and hold none.
    found.retain(|path| !path.to_string_lossy().contains("/Queries/"));
    found
}

fn is_invalid(path: &Path) -> bool {
    path.to_string_lossy().contains("/Invalid/")
}

#[test]
fn valid_documents_are_read_whole() {
    let Some(folder) = folder() else { return };
    let (mut documents, mut events, mut wrong) = (0, 0, Vec::new());
    for path in all(&folder).iter().filter(|path| !is_invalid(path)) {
        documents += 1;
        match epcis::read(&std::fs::read(path).unwrap()) {
            Ok(read) if read.problems().is_empty() && !read.events.is_empty() => events += read.events.len(),
            Ok(read) => wrong.push(format!("{}: {:?}", path.display(), read.problems())),
            Err(problems) => wrong.push(format!("{}: {problems:?}", path.display())),
        }
    }
    println!("{documents} documents, {events} events");
    assert!(documents > 50, "only {documents} documents");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn invalid_documents_are_refused() {
    let Some(folder) = folder() else { return };
    let (mut refused, mut accepted) = (0, Vec::new());
    for path in all(&folder).iter().filter(|path| is_invalid(path)) {
        match epcis::read(&std::fs::read(path).unwrap()) {
            Ok(read) if read.problems().is_empty() => {
                accepted.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
            _ => refused += 1,
        }
    }
    println!("{refused} refused, accepted: {accepted:?}");
    assert!(refused >= 10, "only {refused} refused");
    assert_eq!(accepted, BEYOND);
}
