//! Pending items that people resolve: which items may be chosen, who hears of it, and what the next push comes to.

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{gtin, text},
    fixture::{Answer, Person, Service},
};

/// Items with GTIN 1 and GTIN 2, and a local item of the same workspace that carries both: its id, and the refusal.
async fn contested(service: &Service, who: &Person, circuit: &str) -> (Vec<String>, String, Answer) {
    let mut dfids = Vec::new();
    for number in [1, 2] {
        let (_, pushed) = service
            .push_new(who, circuit, json!([gtin(number)]), json!({}))
            .await;
        dfids.push(text(&pushed.body, "dfid"));
    }
    let (local, refused) = service
        .push_new(who, circuit, json!([gtin(1), gtin(2)]), json!({"colour": "red"}))
        .await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    (dfids, local, refused)
}

fn resolve_path(refused: &Answer) -> String {
    format!(
        "/api/pending-items/{}/resolve",
        text(&refused.body, "pending_item_id")
    )
}

fn approve(dfid: &str) -> Value {
    json!({"resolution": "approve", "dfid": dfid})
}

pub async fn an_item_out_of_use_is_not_chosen(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let (dfids, _, refused) = contested(&service, &ana, &circuit).await;
    let path = resolve_path(&refused);
    let item = format!("/api/items/{}", dfids[0]);
    service
        .expect(200, &ana, "POST", &format!("{item}/deprecate"), json!({}))
        .await;
    let before = service.get(&ana, &item).await.body;
    let answer = service.expect(409, &ana, "POST", &path, approve(&dfids[0])).await;
    let said = text(&answer, "detail");
    assert!(said.contains("deprecated") && said.contains(&dfids[0]), "{said}");
    assert_eq!(service.get(&ana, &item).await.body, before);
    // Its identifiers are still free, and what waits still waits.
    let (_, next) = service
        .push_new(&ana, &circuit, json!([gtin(1)]), json!({}))
        .await;
    assert_eq!(next.status, 201, "{}", next.body);
    let stays = text(&next.body, "dfid");
    service
        .expect(
            200,
            &ana,
            "POST",
            &format!("/api/items/{stays}/merge"),
            json!({"dfids": [dfids[1]]}),
        )
        .await;
    let answer = service.expect(409, &ana, "POST", &path, approve(&dfids[1])).await;
    let said = text(&answer, "detail");
    assert!(said.contains("merged") && said.contains("reject"), "{said}");
    let reject = json!({"resolution": "reject"});
    service.expect(200, &ana, "POST", &path, reject).await;
}

pub async fn a_resolution_is_its_own_workspaces_business(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let own = service.circuit(&bia, json!({})).await;
    service
        .push_new(&ana, &circuit, json!([gtin(1)]), json!({}))
        .await;
    let (_, pushed) = service.push_new(&bia, &own, json!([gtin(1)]), json!({})).await;
    let bias = text(&pushed.body, "dfid");
    let push = format!("{circuit}/push");
    let refused = service.send_as(&bia, "POST", &push, json!({"dfid": bias})).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    let body = json!({"resolution": "approve", "dfid": bias, "note": "sold to the neighbour"});
    service
        .expect(200, &bia, "POST", &resolve_path(&refused), body)
        .await;
    let activity = service.get(&ana, &format!("{circuit}/activity")).await.body;
    let told = activity.to_string();
    assert!(told.contains("item.pushed"), "{activity}");
    for secret in ["sold to", &bias, "pending_item.resolved"] {
        assert!(!told.contains(secret), "{secret}: {activity}");
    }
}

pub async fn what_was_resolved_is_not_asked_again(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let (dfids, local, refused) = contested(&service, &ana, &circuit).await;
    let path = resolve_path(&refused);
    service.expect(200, &ana, "POST", &path, approve(&dfids[1])).await;
    service
        .local_is(&ana, &local, "tokenized", &json!(dfids[1]))
        .await;
    let again = service.push(&ana, &circuit, &local).await;
    again.says(
        200,
        &json!({"dfid": dfids[1], "status": "existing_item_enriched"}),
    );
    let more = json!({"local_id": local, "enriched_data": {"weight": 400}});
    let push = format!("{circuit}/push-local");
    let pushed = service.expect(200, &ana, "POST", &push, more).await;
    assert_eq!(pushed["dfid"], json!(dfids[1]));
    let elsewhere = service.circuit(&ana, json!({})).await;
    let placed = service.push(&ana, &elsewhere, &local).await;
    placed.says(200, &json!({"dfid": dfids[1]}));
    let open = service
        .get(&ana, "/api/pending-items?state=pending&with_total=true")
        .await;
    assert_eq!(open.body["total"], 0, "{}", open.body);
    // The one that was not chosen is left alone, and is found by its own identifier.
    let item = service.get(&ana, &format!("/api/items/{}", dfids[1])).await.body;
    assert_eq!(item["enriched_data"], json!({"colour": "red", "weight": 400}));
    assert_eq!(item["identifiers"].as_array().unwrap().len(), 1, "{item}");
    let (_, other) = service
        .push_new(&ana, &elsewhere, json!([gtin(1)]), json!({}))
        .await;
    other.says(200, &json!({"dfid": dfids[0]}));
}

pub async fn the_local_item_of_a_deprecated_one_makes_another(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let elsewhere = service.circuit(&ana, json!({})).await;
    for (number, next) in [(1, &circuit), (2, &elsewhere)] {
        let (local, pushed) = service
            .push_new(&ana, &circuit, json!([gtin(number)]), json!({}))
            .await;
        let (bias, same) = service
            .push_new(&bia, &circuit, json!([gtin(number)]), json!({}))
            .await;
        assert_eq!(same.body["dfid"], pushed.body["dfid"]);
        let old = text(&pushed.body, "dfid");
        let path = format!("/api/items/{old}/deprecate");
        service.expect(200, &ana, "POST", &path, json!({})).await;
        let new = service.push(&ana, next, &local).await;
        new.says(201, &json!({"status": "new_item_created"}));
        assert_ne!(text(&new.body, "dfid"), old);
        service
            .push(&ana, next, &local)
            .await
            .says(200, &json!({"dfid": new.body["dfid"]}));
        // The local item of another workspace stood for it too.
        let theirs = service.push(&bia, &circuit, &bias).await;
        assert_ne!(text(&theirs.body, "dfid"), old);
        assert_eq!(theirs.body["dfid"] == new.body["dfid"], number == 1);
    }
}
