//! The outgoing guard over all routes of its table: what one person was answered is kept back from a stranger, even by
//! a handler that would give it to anybody.

use std::{collections::BTreeMap, sync::Arc};

use db::Engine;
use domain::identity::ApiScope;
use serde_json::{Value, json};
use server::{Ctx, Json, Operation, Policy, Routes};

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::{Person, Service},
};

/// Ana's world: something of each kind, and the path that shows it for each route of the guard's table.
async fn filled(service: &Service, ana: &Person) -> Vec<(&'static str, String)> {
    let caio = service.person("caio").await;
    let root = service.admin().await;
    let settings = json!({"public": {"enabled": true}, "approvals": {"push": true}});
    let circuit = service.circuit(ana, settings).await;
    let invitation = json!({"username": "root", "role": "member"});
    let path = format!("{circuit}/invitations");
    service.expect(201, ana, "POST", &path, invitation).await;
    let theirs = service.circuit(&caio, json!({"public": {"enabled": true}})).await;
    let path = format!("{theirs}/invitations");
    let invitation = json!({"username": "ana", "role": "member"});
    service.expect(201, &caio, "POST", &path, invitation).await;
    for (who, circuit) in [(&caio, &circuit), (ana, &theirs)] {
        let path = format!("{circuit}/join-requests");
        service.expect(201, who, "POST", &path, json!({})).await;
    }
    let role = json!({"name": "weigher", "permissions": ["pull"]});
    let path = format!("{circuit}/roles");
    service.expect(201, ana, "POST", &path, role).await;
    let dfid = service.shown_item(ana, &circuit).await;
    for _ in 0..2 {
        let item = json!({"identifiers": [gtin(2)], "enriched_data": {}});
        service.expect(201, ana, "POST", "/api/items/local", item).await;
    }
    let waiting = service.local(ana, json!([ear_tag("W-1")]), json!({})).await;
    let waiting = service.push(ana, &circuit, &waiting).await;
    assert_eq!(waiting.status, 201, "{}", waiting.body);
    let about = json!({"event_type": "weighed", "dfid": dfid});
    let event = service.expect(201, ana, "POST", "/api/events", about).await;
    let key = json!({"name": "scales", "scopes": ["items:read"]});
    service.expect(201, ana, "POST", "/api/api-keys", key).await;
    let job = json!({"kind": "export"});
    let job = service.expect(201, ana, "POST", "/api/jobs", job).await;
    let grant = json!({"amount": 1, "reason": "welcome"});
    let credits = format!("/api/admin/users/{}/credits", ana.user_id);
    service.send_as(&root, "POST", &credits, grant).await;
    let (circuit, item) = (circuit.as_str(), format!("/api/items/{dfid}"));
    let of = |rest: &str| format!("{circuit}{rest}");
    vec![
        ("/api/items/local", "/api/items/local".into()),
        (
            "/api/items/local/duplicates",
            "/api/items/local/duplicates".into(),
        ),
        ("/api/items", "/api/items".into()),
        ("/api/items/{dfid}/timeline", format!("{item}/timeline")),
        ("/api/items/{dfid}/history", format!("{item}/history")),
        ("/api/items/{dfid}", item),
        ("/api/events", "/api/events".into()),
        (
            "/api/events/{event_id}",
            format!("/api/events/{}", text(&event, "id")),
        ),
        ("/api/circuits", "/api/circuits".into()),
        ("/api/circuits/{circuit_id}", of("")),
        ("/api/circuits/{circuit_id}/activity", of("/activity")),
        ("/api/circuits/{circuit_id}/invitations", of("/invitations")),
        ("/api/circuits/{circuit_id}/join-requests", of("/join-requests")),
        ("/api/circuits/{circuit_id}/members", of("/members")),
        ("/api/circuits/{circuit_id}/roles", of("/roles")),
        ("/api/circuits/{circuit_id}/items", of("/items")),
        ("/api/circuits/{circuit_id}/operations", of("/operations")),
        ("/api/jobs", "/api/jobs".into()),
        ("/api/jobs/{job_id}", format!("/api/jobs/{}", text(&job, "id"))),
        ("/api/audit", "/api/audit".into()),
        ("/api/api-keys", "/api/api-keys".into()),
        ("/api/activity", "/api/activity".into()),
        ("/api/invitations", "/api/invitations".into()),
        ("/api/join-requests", "/api/join-requests".into()),
        ("/api/members", "/api/members".into()),
        ("/api/members/{user_id}", format!("/api/members/{}", ana.user_id)),
        ("/api/auth/me", "/api/auth/me".into()),
        ("/api/sessions", "/api/sessions".into()),
        ("/api/workspace", "/api/workspace".into()),
        ("/api/workspaces", "/api/workspaces".into()),
        ("/api/credits/history", "/api/credits/history".into()),
    ]
}

pub async fn what_one_is_answered_is_kept_back_from_a_stranger(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let paths = filled(&service, &ana).await;
    let mut answers = BTreeMap::new();
    for (route, path) in &paths {
        let answer = service.get(&ana, path).await;
        assert_eq!(answer.status, 200, "{route}: {}", answer.body);
        answers.insert(*route, answer.body);
    }
    let answers = Arc::new(answers);
    let mut faulty = Routes::new();
    for (route, _) in &paths {
        let answers = Arc::clone(&answers);
        let gives_to_anybody = move |ctx: Ctx| {
            let answer = answers[ctx.route].clone();
            async move { Json::<Value>(answer) }
        };
        let operation = Operation::new("test", "Answers anybody what ana was answered");
        faulty = faulty.get(
            route,
            Policy::viewer(ApiScope::ItemsRead),
            operation,
            gives_to_anybody,
        );
    }
    let faulty = service.with_routes(faulty);
    for (route, path) in &paths {
        let own = faulty.get(&ana, path).await;
        assert_eq!(own.status, 200, "{route}: {}", own.body);
        let stopped = faulty.get(&bia, path).await;
        assert_eq!(
            (stopped.status, &stopped.body["code"]),
            (500, &json!("isolation_breach")),
            "{route}: {}",
            stopped.body
        );
    }
}
