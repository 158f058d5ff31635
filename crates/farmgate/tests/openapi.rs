//! The committed API document is the one that the program serves.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

#[path = "support/program.rs"]
mod program;

use std::{collections::BTreeSet, path::PathBuf};

use program::Program;
use scenario::http::{Connect, Connection, Limits, Parts, Request, Version};
use serde_json::Value;

/// Differences that are shown; the rest is counted.
const SHOWN: usize = 40;
const UPDATE: &str = "UPDATE_OPENAPI=1 cargo nextest run -p farmgate the_committed_document";

#[tokio::test]
async fn the_committed_document_is_the_served_one() {
    let served = served().await;
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = serde_json::to_string_pretty(&served).unwrap() + "\n";
    if updates() {
        std::fs::write(&file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let known: Value = serde_json::from_str(&committed).unwrap_or_default();
    let mut found = Vec::new();
    differences(&mut String::new(), &known, &served, &mut found);
    let rest = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    assert!(
        found.is_empty(),
        "docs/openapi.json is not what the program serves (- committed, + served):\n{}\n{rest} more. To take it over: {UPDATE}",
        found.join("\n")
    );
    assert_eq!(
        committed, text,
        "docs/openapi.json differs in its form only: {UPDATE}"
    );
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let served = served().await;
    let mut references = BTreeSet::new();
    collect(&served, &mut references);
    assert!(references.len() > 50, "too few to be all: {references:?}");
    for reference in references {
        let place = reference.trim_start_matches('#');
        assert!(served.pointer(place).is_some(), "{reference} leads nowhere");
    }
}

async fn served() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap().to_owned();
    let program = Program::start(&[("FARMGATE_DATA", data)]).await;
    let parts = Parts {
        method: "GET",
        url: &format!("{}/openapi.json", program.url).parse().unwrap(),
        headers: Vec::new(),
        body: Vec::new().into(),
        version: Version::Http11,
        raw_path: None,
    };
    let request = Request::from_parts(parts).unwrap();
    let mut connection = Connection::open(request.target(), &Connect::plain())
        .await
        .unwrap();
    let answer = connection.send(&request, &Limits::default()).await.unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

#[allow(clippy::disallowed_methods, reason = "a test's own settings")]
fn updates() -> bool {
    std::env::var("UPDATE_OPENAPI").is_ok()
}

/// Lists, by place, what the second document has differently.
fn differences(place: &mut String, known: &Value, served: &Value, found: &mut Vec<String>) {
    match (known, served) {
        (Value::Object(known), Value::Object(served)) => {
            let names: BTreeSet<&String> = known.keys().chain(served.keys()).collect();
            for name in names {
                let before = place.len();
                place.push('/');
                place.push_str(&name.replace('~', "~0").replace('/', "~1"));
                match (known.get(name), served.get(name)) {
                    (Some(known), Some(served)) => differences(place, known, served, found),
                    (Some(known), None) => found.push(format!("- {place}: {}", short(known))),
                    (None, Some(served)) => found.push(format!("+ {place}: {}", short(served))),
                    (None, None) => {}
                }
                place.truncate(before);
            }
        }
        _ if known == served => {}
        _ => found.push(format!(
            "- {place}: {}\n+ {place}: {}",
            short(known),
            short(served)
        )),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| collect(entry, references)),
        _ => {}
    }
}
