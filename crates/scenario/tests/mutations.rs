//! Files spoilt at random places: whether they are still Hurl files, both readers must agree, and ours never
//! crashes.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::process::{Command, Stdio};

use common::cases::all;
use common::tool_is_there;

/// A small generator with a seed, so that every run spoils the same places.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// One change at one place.
fn spoil(text: &str, random: &mut Random) -> String {
    const INTERESTING: [&str; 24] = [
        " ", "\n", "\t", "\"", "`", "```", "{{", "}}", "{", "}", "[", "]", ":", ";", "#", "\\", "/", "=",
        "not ", "1", ".", ",", "é", "<",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    let at = random.below(chars.len());
    match random.below(6) {
        0 => {
            chars.remove(at);
        }
        1 => chars.insert(at, chars[at]),
        2 => chars.truncate(at),
        3 => {
            let other = random.below(chars.len());
            chars.swap(at, other);
        }
        4 => {
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            let (a, b) = (random.below(lines.len()), random.below(lines.len()));
            lines.swap(a, b);
            return lines.concat();
        }
        _ => {
            let piece = INTERESTING[random.below(INTERESTING.len())];
            chars.splice(at..at, piece.chars());
        }
    }
    chars.into_iter().collect()
}

fn mutants(seed: u64, rounds: usize) -> Vec<String> {
    let mut random = Random(seed);
    let cases = all();
    let texts = (0..rounds).flat_map(|_| cases.iter());
    texts
        .filter(|case| !case.ours && !case.text.is_empty())
        .map(|case| spoil(&case.text, &mut random))
        .collect()
}

/// Whether ours takes the text for a Hurl file; what is only not supported is one.
fn is_hurl(text: &str) -> bool {
    match scenario::parse("mutant.hurl", text) {
        Ok(_) => true,
        Err(found) => found.iter().all(|d| d.message.ends_with("is not supported")),
    }
}

#[test]
fn a_spoilt_file_is_read_or_refused_with_a_place() {
    let mut refused = 0;
    let mutants = mutants(0x5eed, 20);
    for text in &mutants {
        if let Err(found) = scenario::parse("mutant.hurl", text) {
            let lines = u32::try_from(text.split('\n').count()).unwrap();
            assert!(
                found
                    .iter()
                    .all(|d| (1..=lines + 1).contains(&d.line) && d.column >= 1),
                "{found}\n{text}"
            );
            refused += 1;
        }
    }
    assert!(
        refused > mutants.len() / 10,
        "{refused} of {} refused",
        mutants.len()
    );
}

#[test]
fn the_published_reader_gives_the_same_verdict() {
    if !tool_is_there("hurlfmt") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mutant.hurl");
    let mutants = mutants(0xca11, 3);
    let mut differences = Vec::new();
    for text in &mutants {
        std::fs::write(&file, text).unwrap();
        let theirs = Command::new("hurlfmt")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if theirs.unwrap().success() != is_hurl(text) {
            let told = scenario::parse("mutant.hurl", text)
                .map(|_| "read")
                .map_err(|e| e.to_string());
            differences.push(format!("--- ours: {told:?}\n{text}"));
        }
    }
    println!(
        "oracle verdicts: {} of {} the same",
        mutants.len() - differences.len(),
        mutants.len()
    );
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
