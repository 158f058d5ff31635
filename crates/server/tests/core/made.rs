//! Whatever is made has a place, and the answer says which.

use std::collections::BTreeSet;

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::{Answer, PASSWORD, Person, Service},
};

/// What was made with 201, by route.
struct Made<'a> {
    service: &'a Service,
    routes: BTreeSet<&'static str>,
}

impl Made<'_> {
    /// Sends to a route, whose pattern is given beside the path, and looks whether the answer leads somewhere.
    async fn by(&mut self, who: &Person, route: &'static str, path: &str, body: Value) -> Value {
        let answer = self.service.send_as(who, "POST", path, body).await;
        self.note(who, route, answer).await
    }

    async fn note(&mut self, who: &Person, route: &'static str, answer: Answer) -> Value {
        assert_eq!(answer.status, 201, "{route}: {}", answer.body);
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        let there = self.service.get(who, &location).await;
        // What is only decided or taken back has a place without a reading of its own.
        assert!(
            matches!(there.status, 200 | 405),
            "{route} leads to {location}: {} {}",
            there.status,
            there.body
        );
        self.routes.insert(route);
        answer.body
    }
}

pub async fn every_creation_says_where_its_thing_is(engine: Engine) {
    let service = Service::start(engine).await;
    let setup = service.app.identity().setup_token().await.unwrap().unwrap();
    let (ana, _bia, caio) = service.trio().await;
    let mut made = Made {
        service: &service,
        routes: BTreeSet::new(),
    };
    let body = json!({"token": setup.reveal(), "username": "root", "email": "root@example.org", "password": PASSWORD});
    let answer = service.post("/api/setup", body).await;
    let root = service.sign_in("root", PASSWORD).await;
    made.note(&root, "/api/setup", answer).await;
    let named =
        |name: &str| json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
    let answer = service.post("/api/auth/register", named("dora")).await;
    let dora = service.sign_in("dora", PASSWORD).await;
    made.note(&dora, "/api/auth/register", answer).await;
    let session = json!({"username": "dora", "password": PASSWORD});
    let answer = service.post("/api/sessions", session).await;
    made.note(&dora, "/api/sessions", answer).await;
    let mut user = named("eva");
    user["tier"] = json!("basic");
    made.by(&root, "/api/admin/users", "/api/admin/users", user).await;
    let member = json!({"user": "eva", "role": "viewer"});
    made.by(&ana, "/api/members", "/api/members", member).await;
    let key = json!({"name": "k", "scopes": ["items:read"]});
    let key = made.by(&ana, "/api/api-keys", "/api/api-keys", key).await;
    let rotate = format!("/api/api-keys/{}/rotate", text(&key, "id"));
    made.by(&ana, "/api/api-keys/{id}/rotate", &rotate, json!({}))
        .await;
    made.by(&ana, "/api/jobs", "/api/jobs", json!({"kind": "export"}))
        .await;

    let public = json!({"name": "Boa Vista", "public": {"enabled": true}});
    let circuit = made.by(&ana, "/api/circuits", "/api/circuits", public).await;
    let circuit = format!("/api/circuits/{}", text(&circuit, "id"));
    let role = json!({"name": "packer", "permissions": ["push"]});
    let path = format!("{circuit}/roles");
    made.by(&ana, "/api/circuits/{circuit_id}/roles", &path, role)
        .await;
    let path = format!("{circuit}/join-requests");
    made.by(
        &caio,
        "/api/circuits/{circuit_id}/join-requests",
        &path,
        json!({}),
    )
    .await;
    let path = format!("{circuit}/invitations");
    let invite = json!({"username": "bia", "role": "member"});
    made.by(&ana, "/api/circuits/{circuit_id}/invitations", &path, invite)
        .await;

    let item = json!({"identifiers": [gtin(1), ear_tag("A-1")], "enriched_data": {"a": 1, "b": 2}});
    let local = made.by(&ana, "/api/items/local", "/api/items/local", item).await;
    let local = text(&local, "local_id");
    let event = json!({"event_type": "weighed"});
    let path = format!("/api/items/local/{local}/events");
    made.by(&ana, "/api/items/local/{local_id}/events", &path, event.clone())
        .await;
    made.by(&ana, "/api/events", "/api/events", event.clone()).await;
    let bulk = json!({"events": [event]});
    made.by(&ana, "/api/events/bulk", "/api/events/bulk", bulk).await;
    let path = format!("{circuit}/push-local");
    let body = json!({"local_id": local});
    let pushed = made
        .by(&ana, "/api/circuits/{circuit_id}/push-local", &path, body)
        .await;
    let dfid = text(&pushed, "dfid");
    let body = json!({"dfid": dfid});
    let path = format!("{circuit}/pull");
    made.by(&ana, "/api/circuits/{circuit_id}/pull", &path, body)
        .await;
    let path = format!("/api/items/{dfid}/share");
    made.by(
        &ana,
        "/api/items/{dfid}/share",
        &path,
        json!({"username": "caio"}),
    )
    .await;
    let path = format!("/api/items/{dfid}/split");
    let split = json!({"parts": [{"identifiers": [ear_tag("A-1")], "data": ["b"]}]});
    made.by(&ana, "/api/items/{dfid}/split", &path, split).await;

    let endpoints = service.edge.endpoints().to_vec();
    let document = server::openapi::document("1", endpoints.iter().map(|one| &**one));
    let creating = endpoints.iter().filter(|one| {
        let method = one.method.as_str().to_lowercase();
        !document["paths"][one.path][method]["responses"]["201"].is_null()
    });
    let creating: BTreeSet<_> = creating.map(|one| one.path).collect();
    assert_eq!(made.routes, creating);
}
