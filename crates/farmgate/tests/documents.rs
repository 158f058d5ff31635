//! The documents name what is there: the commands and flags of the program, and the variables it reads. What a key, a
//! metric or a route is called is compared where it is declared (`config`, `server`, `openapi`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Help texts by command, such as `gate init`.
type Helps = BTreeMap<String, String>;

fn help(words: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_farmgate"))
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The help of these words' command and of all below it.
fn helps(words: &[String], found: &mut Helps) {
    let text = help(words);
    let list = text.split("\nCommands:\n").nth(1).unwrap_or_default();
    // A command's name stands two columns in; what is further in goes on with the line before.
    for line in list.lines().take_while(|line| !line.is_empty()) {
        let name = line.trim_start().split(' ').next().unwrap();
        if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
            helps(&[words, &[name.to_owned()]].concat(), found);
        }
    }
    found.insert(words.join(" "), text);
}

fn all_helps() -> Helps {
    let mut found = Helps::new();
    helps(&[], &mut found);
    assert!(
        found.contains_key("config print") && found.len() > 12,
        "{:?}",
        found.keys()
    );
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README, changelog and manual, by name.
fn documents() -> BTreeMap<String, String> {
    let manual = std::fs::read_dir(root().join("docs")).unwrap();
    let manual = manual.map(|entry| entry.unwrap().path());
    ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .into_iter()
        .chain(manual)
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), text)
        })
        .collect()
}

/// Commands as they stand in code: lines of blocks, and what is between backticks.
fn code(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            found.extend(part.lines().skip(1));
        } else {
            found.extend(part.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// The words after `farmgate`, if the code calls it: after variables, a path or `cargo run`.
fn call(code: &str) -> Option<Vec<&str>> {
    let line = code.split(" #").next().unwrap();
    let mut words = line.split_whitespace().skip_while(|word| word.contains('='));
    let first = words.next()?;
    let rest: Vec<&str> = words.collect();
    if first == "cargo" && rest.first() == Some(&"run") && !rest.contains(&"-p") {
        return rest.split(|word| *word == "--").nth(1).map(<[_]>::to_vec);
    }
    (first == "farmgate" || first.ends_with("/farmgate")).then_some(rest)
}

/// The name that a connection to PostgreSQL bears, as the manual writes it.
const NO_CALL: [&str; 1] = ["listener"];

/// What is wrong with a call: a command or a flag that is not there.
fn fault(words: &[&str], helps: &Helps) -> Option<String> {
    let first = words.first().filter(|word| !word.starts_with('-'))?;
    if NO_CALL == *words {
        return None;
    }
    let two = words.get(1).map(|second| format!("{first} {second}"));
    let help = two.and_then(|two| helps.get(&two)).or_else(|| helps.get(*first));
    let Some(help) = help else {
        return Some(format!("there is no command `{first}`"));
    };
    let known: BTreeSet<&str> = help
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .collect();
    words
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split('=').next().unwrap())
        .find(|flag| !known.contains(flag))
        .map(|flag| format!("`{first}` has no flag {flag}"))
}

#[test]
fn documented_commands_and_flags_are_there() {
    let helps = all_helps();
    let (mut calls, mut faults) = (0, Vec::new());
    for (name, text) in documents() {
        for code in code(&text) {
            let Some(words) = call(code) else { continue };
            calls += 1;
            faults.extend(fault(&words, &helps).map(|fault| format!("{name}: {code}: {fault}")));
        }
    }
    assert!(calls > 50, "only {calls} calls were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_command_is_documented() {
    let all: String = documents().into_values().collect::<Vec<_>>().join("\n");
    let plain = all.split_whitespace().collect::<Vec<_>>().join(" ");
    let helps = all_helps();
    let missing: Vec<_> = helps
        .keys()
        .filter(|command| !command.is_empty() && !plain.contains(&format!("farmgate {command}")))
        .collect();
    assert!(missing.is_empty(), "no document names {missing:?}");
}

/// Names of variables of this project, as they stand in a text.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("FARMGATE_") && word.len() > "FARMGATE_".len())
        .collect()
}

fn sources(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests/documents.rs") {
            found.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn variables_of_the_program_and_of_the_documents_are_the_same() {
    let documents: String = documents().into_values().collect::<Vec<_>>().join("\n");
    let mut code = String::new();
    sources(&root().join("crates"), &mut code);
    let unknown: Vec<_> = variables(&documents)
        .into_iter()
        .filter(|name| !variables(&code).contains(name))
        .collect();
    assert!(unknown.is_empty(), "documented, and read nowhere: {unknown:?}");
    let helps = all_helps().into_values().collect::<Vec<_>>().join("\n");
    let read: BTreeSet<&str> = helps
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split([']', '=']).next().unwrap())
        .collect();
    assert!(read.len() > 10, "{read:?}");
    let untold: Vec<_> = read.iter().filter(|name| !documents.contains(**name)).collect();
    assert!(untold.is_empty(), "read, and not documented: {untold:?}");
}
