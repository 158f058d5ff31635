//! Where the documents of GS1 and OpenEPCIS lie, and which there are; what they must come to is said by the tests.

use std::path::{Path, PathBuf};

/// The folder with the data; nothing, said aloud, where it is absent. In CI its absence is a failure.
#[allow(clippy::disallowed_methods, reason = "a test's own settings")]
pub fn folder() -> Option<PathBuf> {
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

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_json = path
            .extension()
            .is_some_and(|ext| ext == "json" || ext == "jsonld");
        if path.is_dir() {
            find(&path, found);
        } else if is_json {
            found.push(path);
        }
    }
    found.sort();
}

/// The documents in order. Queries ask for events and hold none: they are left out.
pub fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    find(&folder.join("gs1-examples"), &mut found);
    find(&folder.join("openepcis"), &mut found);
    found.retain(|path| !path.to_string_lossy().contains("/Queries/"));
    found
}

/// Whether the set itself calls the document invalid.
pub fn is_invalid(path: &Path) -> bool {
    path.to_string_lossy().contains("/Invalid/")
}
