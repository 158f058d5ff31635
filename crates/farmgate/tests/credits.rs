//! What the settings say that operations cost is what `farmgate serve` takes.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod platform;

use db::Engine;
use platform::{Api, Server};
use serde_json::{Value, json};

/// Gives a user ten credits, as the administrator.
async fn grant(server: &Server, password: &str, name: &str) {
    let mut root = Api {
        url: server.url.clone(),
        token: String::new(),
    };
    let login = json!({"username": "admin", "password": password});
    let answer = root.expect(200, "POST", "/api/auth/login", login).await;
    root.token = answer["token"].as_str().unwrap().to_owned();
    let users = root.get(&format!("/api/admin/users?text={name}")).await;
    let id = users["data"][0]["id"].as_str().unwrap();
    let grant = json!({"amount": 10, "reason": "welcome"});
    root.expect(200, "POST", &format!("/api/admin/users/{id}/credits"), grant)
        .await;
}

async fn a_push_costs_what_is_set(engine: Engine) {
    let password = "the administrator's long word";
    let settings = [
        ("CREDITS_PUSH", "3, basic=7"),
        ("FARMGATE_ADMIN_PASSWORD", password),
    ];
    let server = Server::start_with(engine, &settings);
    let ana = server.person("ana").await;
    let shown = ana.get("/api/credits").await;
    let costs: Vec<_> = shown["costs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cost| cost["credits"] != 0)
        .collect();
    assert_eq!(costs, [&json!({"operation": "push", "credits": 3})], "{shown}");
    let circuit = ana
        .expect(201, "POST", "/api/circuits", json!({"name": "Boa Vista"}))
        .await;
    let push = format!("/api/circuits/{}/push-local", circuit["id"].as_str().unwrap());
    let item = json!({"local_id": "cow", "identifiers": [{"key": "ear_tag", "value": "A-1"}]});
    ana.expect(201, "POST", "/api/items/local", item).await;
    let refused = ana.expect(402, "POST", &push, json!({"local_id": "cow"})).await;
    assert_eq!(
        (&refused["cost"], &refused["balance"]),
        (&json!(3), &json!(0)),
        "{refused}"
    );
    grant(&server, password, "ana").await;
    ana.expect(201, "POST", &push, json!({"local_id": "cow"})).await;
    assert_eq!(ana.get("/api/credits").await["balance"], Value::from(7));
}

#[tokio::test]
async fn a_push_costs_what_is_set_on_sqlite() {
    a_push_costs_what_is_set(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_push_costs_what_is_set_on_postgres() {
    a_push_costs_what_is_set(Engine::Postgres).await;
}
