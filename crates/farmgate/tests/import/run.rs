//! Files to import, a run of the import, and what its report says.

use std::{collections::BTreeMap, path::Path, process::Output};

use serde_json::{Value, json};

use crate::platform::{Api, farmgate, said};

/// Nobody listens there: a dry run sends nothing.
pub const NOBODY: &str = "http://127.0.0.1:1";

pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), content).unwrap();
}

pub fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {}", said(output)))
}

/// What a dry run says of a file with bad rows.
pub fn report_of_bad(folder: &Path, file: &str) -> Value {
    let arguments = ["import", file, "--dry-run", "--json", "--url", NOBODY];
    let output = farmgate(folder, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    report(&output)
}

/// Row, line, field and the beginning of the message of every error.
pub fn errors(report: &Value) -> Vec<(u64, u64, String, String)> {
    let list = report["errors"].as_array().unwrap().iter();
    list.map(|error| {
        (
            error["row"].as_u64().unwrap(),
            error["line"].as_u64().unwrap_or_default(),
            error["field"].as_str().unwrap().to_owned(),
            error["message"].as_str().unwrap().chars().take(24).collect(),
        )
    })
    .collect()
}

pub fn row(row: u64, line: u64, field: &str, message: &str) -> (u64, u64, String, String) {
    (row, line, field.to_owned(), message.chars().take(24).collect())
}

pub fn epcis_event(number: usize) -> Value {
    json!({
        "type": "ObjectEvent", "eventTime": "2026-03-01T12:00:00+01:00", "eventTimeZoneOffset": "+01:00",
        "action": "OBSERVE", "bizStep": "shipping",
        "epcList": [
            format!("urn:epc:id:sgtin:0614141.107346.{number}"),
            format!("urn:epc:id:sgtin:0614141.107346.{}", number / 10 + 9000),
        ],
    })
}

pub fn epcis_document(events: &[Value]) -> String {
    json!({
        "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-03-01T12:00:00Z",
        "epcisBody": {"eventList": events}
    })
    .to_string()
}

pub fn send(folder: &Path, url: &str) -> Output {
    send_with(folder, url, "t.csv", &[])
}

pub fn send_with(folder: &Path, url: &str, file: &str, more: &[&str]) -> Output {
    let arguments = [
        "import",
        file,
        "--json",
        "--url",
        url,
        "--token",
        "x",
        "--at-once",
        "1",
    ];
    farmgate(folder, &[&arguments[..], more].concat())
}

pub fn import_of<'a>(file: &'a str, owner: &'a Api, circuit: &'a str) -> [&'a str; 9] {
    [
        "import",
        file,
        "--json",
        "--url",
        &owner.url,
        "--token",
        &owner.token,
        "--circuit",
        circuit,
    ]
}

/// Each event that came by an import, and how often it is there.
pub async fn imported_events(owner: &Api) -> BTreeMap<String, usize> {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for event in owner.all("/api/events").await {
        if event["source"] == "epcis" {
            *found.entry(event["data"]["event"].to_string()).or_default() += 1;
        }
    }
    found
}
