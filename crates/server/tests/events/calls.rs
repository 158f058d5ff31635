//! What people ask of the service, and how its answers are read.

use domain::ids::WorkspaceId;
use serde_json::{Value, json};

use crate::fixture::{Answer, Person, Service};

pub async fn get(service: &Service, person: &Person, path: &str) -> Answer {
    service.as_bearer(&person.token, "GET", path, None).await
}

pub async fn post(service: &Service, person: &Person, path: &str, body: Value) -> Answer {
    service.as_bearer(&person.token, "POST", path, Some(body)).await
}

pub async fn record(service: &Service, person: &Person, body: Value) -> Value {
    let made = post(service, person, "/api/events", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

pub fn ids(list: &Answer) -> Vec<&str> {
    assert_eq!(list.status, 200, "{}", list.body);
    list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect()
}

pub fn workspace(person: &Person) -> WorkspaceId {
    person.workspace_id.parse().unwrap()
}

/// A circuit and an item pushed into it: their ids, and the local item's.
pub async fn pushed_item(service: &Service, owner: &Person) -> (String, String) {
    let circuit = post(service, owner, "/api/circuits", json!({"name": "Coffee"})).await;
    assert_eq!(circuit.status, 201, "{}", circuit.body);
    let circuit = circuit.body["id"].as_str().unwrap().to_owned();
    let local = json!({"local_id": "L-1", "identifiers": [{"key": "lot", "value": "A-1"}]});
    assert_eq!(post(service, owner, "/api/items/local", local).await.status, 201);
    let pushed = post(
        service,
        owner,
        &format!("/api/circuits/{circuit}/push-local"),
        json!({"local_id": "L-1"}),
    )
    .await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    (circuit, pushed.body["dfid"].as_str().unwrap().to_owned())
}
