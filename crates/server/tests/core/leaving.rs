//! Leaving a circuit or a workspace: what waits ends, and nothing is approved for those who may not ask any more.

use db::Engine;
use domain::{credits::CostedOperation, tier::Tier};
use serde_json::{Value, json};

use crate::{
    farm::{gtin, says, text},
    fixture::{PASSWORD, Person, Service},
};

/// A service on which a push costs 3, and bia and caio have credits.
async fn priced(engine: Engine) -> (Service, Person, [Person; 3], String) {
    let service = Service::start_with(engine, |config| {
        config.costs.set(CostedOperation::Push, Tier::Enterprise, 3);
    })
    .await;
    let root = service.admin().await;
    let (ana, bia, caio, circuit) = service.guarded().await;
    let (ids, reason) = ([&bia.user_id, &caio.user_id], "welcome");
    let grant = json!({"user_ids": ids, "amount": 10, "reason": reason});
    service
        .expect(204, &root, "POST", "/api/admin/credits/grants", grant)
        .await;
    (service, root, [ana, bia, caio], circuit)
}

async fn operation(service: &Service, ana: &Person, circuit: &str, pushed: &Value) -> Value {
    let path = format!("{circuit}/operations/{}", text(pushed, "operation_id"));
    service.expect(200, ana, "GET", &path, Value::Null).await
}

/// Bia in ana's workspace, with the role.
async fn bia_at_anas(service: &Service, ana: &Person, role: &str) -> Person {
    let body = json!({"user": "bia", "role": role});
    service.expect(201, ana, "POST", "/api/members", body).await;
    let bia = service.sign_in("bia", PASSWORD).await;
    let there = json!({"workspace_id": ana.workspace_id});
    let path = "/api/auth/switch-workspace";
    let switched = service.expect(200, &bia, "POST", path, there).await;
    Person {
        token: text(&switched, "token"),
        workspace_id: ana.workspace_id.clone(),
        ..bia
    }
}

pub async fn what_waits_ends_when_its_asker_leaves_the_circuit(engine: Engine) {
    let (service, _, [ana, bia, caio], circuit) = priced(engine).await;
    let balance = async |who: &Person| service.get(who, "/api/credits").await.body["balance"].clone();
    let (locals, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    let (neighbours, waits) = service
        .push_new(&caio, &circuit, json!([gtin(2)]), json!({}))
        .await;
    assert_eq!(balance(&bia).await, 7);
    let seat = |who: &Person| format!("{circuit}/members/{}", who.user_id);
    service
        .expect(204, &ana, "DELETE", &seat(&bia), Value::Null)
        .await;
    service
        .local_is(&bia, &locals, "tokenized", &pushed.body["dfid"])
        .await;
    assert_eq!(balance(&bia).await, 10, "what it cost goes back");
    let ended = operation(&service, &ana, &circuit, &pushed.body).await;
    says(
        &ended,
        &json!({"state": "cancelled", "reason": "who asked has left", "content": null}),
    );
    let approve = format!(
        "{circuit}/operations/{}/approve",
        text(&pushed.body, "operation_id")
    );
    service.expect(409, &ana, "POST", &approve, json!({})).await;
    // The neighbour's waits on, until caio leaves by himself, the last one of his workspace.
    service
        .local_is(&caio, &neighbours, "pending_approval", &waits.body["dfid"])
        .await;
    service
        .expect(204, &caio, "DELETE", &seat(&caio), Value::Null)
        .await;
    service
        .local_is(&caio, &neighbours, "tokenized", &waits.body["dfid"])
        .await;
    assert_eq!(balance(&caio).await, 10);
    // Free again: the item can be pushed elsewhere.
    let other = service.circuit(&bia, json!({})).await;
    let again = service.push(&bia, &other, &locals).await;
    assert!(matches!(again.status, 200 | 201), "{}", again.body);
}

pub async fn what_waits_ends_when_its_asker_leaves_the_workspace(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, _, caio) = service.trio().await;
    let circuit = service.approving(&caio).await;
    let mut bia = bia_at_anas(&service, &ana, "member").await;
    let own = service.circuit(&bia, json!({})).await;
    // The seat is held for ana's workspace, as a join request made there asks.
    let shown = json!({"public": {"enabled": true}});
    service.expect(200, &caio, "PATCH", &circuit, shown).await;
    let requests = format!("{circuit}/join-requests");
    let asked = service.expect(201, &bia, "POST", &requests, json!({})).await;
    let path = format!("{requests}/{}/approve", text(&asked, "id"));
    service
        .expect(200, &caio, "POST", &path, json!({"role": "admin"}))
        .await;
    let (local, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    assert_eq!(pushed.body["operation_state"], "pending", "{}", pushed.body);
    let member = format!("/api/members/{}", bia.user_id);
    service.expect(204, &ana, "DELETE", &member, Value::Null).await;
    let ended = operation(&service, &caio, &circuit, &pushed.body).await;
    says(&ended, &json!({"state": "cancelled"}));
    service
        .local_is(&ana, &local, "tokenized", &pushed.body["dfid"])
        .await;
    let members = service.get(&caio, &format!("{circuit}/members")).await.body;
    assert_eq!(members["data"].as_array().unwrap().len(), 1, "{members}");
    // Back in the workspace she has no seat in it, but owns what is hers.
    bia = bia_at_anas(&service, &ana, "member").await;
    service.expect(404, &bia, "GET", &circuit, Value::Null).await;
    service.expect(200, &bia, "GET", &own, Value::Null).await;
}

pub async fn nothing_is_approved_for_who_may_not_ask_any_more(engine: Engine) {
    let (service, root, [ana, bia, caio], circuit) = priced(engine).await;
    let (local, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    let freeze = |word: &str| format!("/api/admin/users/{}/{word}", bia.user_id);
    let reason = || json!({"reason": "stolen"});
    service
        .expect(200, &root, "POST", &freeze("freeze"), reason())
        .await;
    let failed = service.decide(&ana, &circuit, &pushed.body, "approve").await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(text(&failed, "reason").contains("no longer acts"), "{failed}");
    service
        .expect(200, &root, "POST", &freeze("unfreeze"), reason())
        .await;
    service
        .local_is(&bia, &local, "tokenized", &pushed.body["dfid"])
        .await;
    // A viewer of the workspace pushes nothing, and what waited counts as pushed now.
    let (_, waits) = service
        .push_new(&caio, &circuit, json!([gtin(2)]), json!({}))
        .await;
    let demoted = store::members::set_role(
        caio.workspace_id.parse().unwrap(),
        caio.user_id.parse().unwrap(),
        domain::identity::Role::Viewer,
        1,
    );
    service.db.run(&db::Scope::system(), vec![demoted]).await.unwrap();
    let failed = service.decide(&ana, &circuit, &waits.body, "approve").await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(text(&failed, "reason").contains("right to push"), "{failed}");
    // The neighbour: one who may, is heard.
    let pushed = service.push(&bia, &circuit, &local).await.body;
    let done = service.decide(&ana, &circuit, &pushed, "approve").await;
    assert_eq!(done["state"], "completed", "{done}");
}

pub async fn who_lost_the_right_does_not_decide(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = service.guarded().await;
    let seat = format!("{circuit}/members/{}", caio.user_id);
    let role = |role: &str| json!({"role": role});
    service.expect(200, &ana, "PUT", &seat, role("admin")).await;
    let (_, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    let read = operation(&service, &caio, &circuit, &pushed.body).await;
    assert_eq!(read["state"], "pending", "{read}");
    let path = format!("{circuit}/operations/{}", text(&pushed.body, "operation_id"));
    service.expect(200, &ana, "PUT", &seat, role("member")).await;
    let approve = format!("{path}/approve");
    service.expect(404, &caio, "POST", &approve, json!({})).await;
    service.expect(204, &ana, "DELETE", &seat, Value::Null).await;
    service.expect(404, &caio, "POST", &approve, json!({})).await;
    let still = operation(&service, &ana, &circuit, &pushed.body).await;
    assert_eq!(still["state"], "pending", "{still}");
}
