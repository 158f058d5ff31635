//! The main job on real input: every valid document of GS1 and OpenEPCIS, imported by one workspace, read by another.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod platform;
#[path = "../../epcis/tests/published/mod.rs"]
mod published;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use db::Engine;
use futures_util::{StreamExt as _, stream};
use platform::{Api, Server, command, said};
use serde_json::{Value, json};

/// The valid documents.
fn valid(folder: &Path) -> Vec<PathBuf> {
    let mut found = published::documents(folder);
    found.retain(|path| !published::is_invalid(path));
    found
}

/// The canonical text of an event, by which two are the same.
fn text(event: &Value) -> String {
    String::from_utf8(domain::canonical::to_bytes(event).unwrap()).unwrap()
}

/// Every event of the documents once, with the URIs of what it is about.
fn expected(documents: &[PathBuf]) -> BTreeMap<String, BTreeSet<String>> {
    documents
        .iter()
        .flat_map(|path| epcis::read(&std::fs::read(path).unwrap()).unwrap().events)
        .map(|event| {
            let event = event.unwrap();
            let subjects = event.subjects.iter().map(|epc| epc.uri.clone()).collect();
            (text(&event.raw), subjects)
        })
        .collect()
}

/// Imports the documents, some at a time, each by a program of its own.
async fn import(server: &Server, owner: &Api, circuit: &str, documents: &[PathBuf]) {
    let imports = documents.iter().enumerate().map(|(number, document)| {
        let (document, state) = (document.display().to_string(), format!("state-{number}"));
        let arguments = [
            "import",
            &document,
            "--format",
            "epcis",
            "--url",
            &owner.url,
            "--token",
            &owner.token,
            "--circuit",
            circuit,
            "--state",
            &state,
            "--json",
        ];
        let mut import = command(server.folder(), &arguments);
        async move {
            let output = tokio::task::spawn_blocking(move || import.output().unwrap())
                .await
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{document}: {}", said(&output));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["done"], report["rows"], "{report}");
        }
    });
    stream::iter(imports).buffer_unordered(6).collect::<()>().await;
}

/// What the partner reads: by event id the event and the EPCs of the items it was found at.
async fn read_back(partner: &Api, circuit: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for entry in partner.all(&format!("/api/circuits/{circuit}/items")).await {
        let dfid = entry["dfid"].as_str().unwrap();
        let pull = format!("/api/circuits/{circuit}/pull");
        partner.expect(201, "POST", &pull, json!({"dfid": dfid})).await;
        let item = partner.get(&format!("/api/items/{dfid}")).await;
        let timeline = partner.all(&format!("/api/items/{dfid}/timeline")).await;
        // The platform's own events tell of the pushes.
        for event in timeline.iter().filter(|event| event["source"] == "epcis") {
            let id = event["id"].as_str().unwrap().to_owned();
            let kept = found
                .entry(id)
                .or_insert_with(|| (text(&event["data"]["event"]), BTreeSet::new()));
            assert_eq!(kept.0, text(&event["data"]["event"]), "one id, two events");
            let again = !kept.1.insert(item["dfid"].as_str().unwrap().to_owned());
            assert!(!again, "twice in the timeline of {dfid}: {event}");
        }
    }
    found
}

/// Whether an event that was found at these items is at everything that it is about.
fn is_at_all(items: &BTreeSet<String>, subjects: &BTreeSet<String>) -> bool {
    // Two URIs of other kinds may name one item, such as a URN and a Digital Link of one GTIN.
    let instances = subjects.iter().all(|uri| uri.starts_with("urn:epc:id:s"));
    if instances {
        items.len() == subjects.len()
    } else {
        !items.is_empty()
    }
}

async fn each_event_is_found_once_by_the_partner(engine: Engine) {
    let Some(folder) = published::folder() else { return };
    let documents = valid(&folder);
    let expected = expected(&documents);
    assert!(
        documents.len() > 50 && expected.len() > 70,
        "{} documents",
        documents.len()
    );
    let server = Server::start(engine);
    let (owner, partner) = (server.person("ana").await, server.person("ben").await);
    let circuit = owner.circuit_with(&partner, "ben").await;
    import(&server, &owner, &circuit, &documents).await;
    let found = read_back(&partner, &circuit).await;
    let once: BTreeSet<&String> = found.values().map(|(event, _)| event).collect();
    assert_eq!(once.len(), found.len(), "an event is stored twice");
    let missing: Vec<_> = expected.keys().filter(|event| !once.contains(event)).collect();
    assert!(
        missing.is_empty(),
        "{} are missing, such as {}",
        missing.len(),
        missing[0]
    );
    assert_eq!(found.len(), expected.len());
    for (event, items) in found.values() {
        let subjects = &expected[event];
        let complete = is_at_all(items, subjects);
        assert!(complete, "found at {items:?}, about {subjects:?}: {event}");
    }
    let shown: usize = found.values().map(|(_, items)| items.len()).sum();
    println!(
        "{} documents, {} events, found at {shown} items",
        documents.len(),
        found.len()
    );
}

#[tokio::test]
async fn each_event_is_found_once_by_the_partner_on_sqlite() {
    each_event_is_found_once_by_the_partner(Engine::Sqlite).await;
}

#[tokio::test]
async fn each_event_is_found_once_by_the_partner_on_postgres() {
    each_event_is_found_once_by_the_partner(Engine::Postgres).await;
}
