//! The documents of GS1 and OpenEPCIS: valid ones are read whole, invalid ones are refused.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod published;

use published::{documents, folder, is_invalid};

/// Documents that the set calls invalid and whose fault lies outside what is read here.
const BEYOND: [&str; 1] = ["ObjectEvent_with_invalid_certificationInfo.json"];

#[test]
fn valid_documents_are_read_whole() {
    let Some(folder) = folder() else { return };
    let (mut read_whole, mut events, mut wrong) = (0, 0, Vec::new());
    for path in documents(&folder).iter().filter(|path| !is_invalid(path)) {
        read_whole += 1;
        match epcis::read(&std::fs::read(path).unwrap()) {
            Ok(read) if read.problems().is_empty() && !read.events.is_empty() => events += read.events.len(),
            Ok(read) => wrong.push(format!("{}: {:?}", path.display(), read.problems())),
            Err(problems) => wrong.push(format!("{}: {problems:?}", path.display())),
        }
    }
    println!("{read_whole} documents, {events} events");
    assert!(read_whole > 50, "only {read_whole} documents");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn invalid_documents_are_refused() {
    let Some(folder) = folder() else { return };
    let (mut refused, mut accepted) = (0, Vec::new());
    for path in documents(&folder).iter().filter(|path| is_invalid(path)) {
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
