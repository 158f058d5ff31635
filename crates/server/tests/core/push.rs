//! Pushing local items: what they become, alone, at once and in batches.

use std::sync::Arc;

use db::Engine;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    farm::{ear_tag, errors, gtin, text},
    fixture::Service,
};

pub async fn a_pushed_item_is_found_by_its_dfid(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, mallory) = (service.person("ana").await, service.person("mallory").await);
    let body =
        json!({"local_id": "cow-1", "identifiers": [ear_tag("A-1")], "enriched_data": {"weight": 412}});
    let made = service
        .send_as(&ana, "POST", "/api/items/local", body.clone())
        .await;
    assert_eq!(
        (made.status, &made.body["status"]),
        (201, &json!("local_only")),
        "{}",
        made.body
    );
    assert_eq!(made.headers["location"], "/api/items/local/cow-1");
    service.expect(409, &ana, "POST", "/api/items/local", body).await;
    let list = service.get(&ana, "/api/items/local?with_total=true").await.body;
    assert_eq!(
        (
            &list["data"][0]["local_id"],
            &list["pagination"]["has_more"],
            &list["total"]
        ),
        (&json!("cow-1"), &json!(false), &json!(1)),
        "{list}"
    );
    assert_eq!(
        service.get(&ana, "/api/items/local/cow-1").await.body["enriched_data"],
        json!({"weight": 412})
    );
    assert_eq!(service.get(&mallory, "/api/items/local/cow-1").await.status, 404);

    let circuit = service.circuit(&ana, json!({})).await;
    let pushed = service.push(&ana, &circuit, "cow-1").await;
    assert_eq!(
        (pushed.status, &pushed.body["status"]),
        (201, &json!("new_item_created")),
        "{}",
        pushed.body
    );
    let dfid = text(&pushed.body, "dfid");
    let again = service.push(&ana, &circuit, "cow-1").await;
    assert_eq!(
        (again.status, &again.body["dfid"]),
        (200, &json!(dfid)),
        "{}",
        again.body
    );
    assert_eq!(again.body["operation_id"], pushed.body["operation_id"]);
    let item = service.get(&ana, &format!("/api/items/{dfid}")).await;
    assert_eq!(
        (item.status, &item.body["enriched_data"]["weight"]),
        (200, &json!(412))
    );
    assert_eq!(
        service.get(&mallory, &format!("/api/items/{dfid}")).await.status,
        404
    );
    let local = service.get(&ana, "/api/items/local/cow-1").await.body;
    assert_eq!(
        (&local["status"], &local["dfid"]),
        (&json!("tokenized"), &json!(dfid))
    );
    let found = service.get(&ana, "/api/items/search?value=A-1").await.body;
    assert_eq!(found["data"][0]["dfid"], json!(dfid), "{found}");
    assert_eq!(
        service.get(&mallory, "/api/items/search?value=A-1").await.body["data"],
        json!([])
    );
    let history = service
        .get(&ana, &format!("/api/items/{dfid}/history"))
        .await
        .body;
    assert_eq!(history["data"][0]["action"], "created", "{history}");
}

pub async fn eight_pushes_of_one_item_make_one_dfid(engine: Engine) {
    let service = Arc::new(Service::start(engine).await);
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let local = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let twin = service.local(&ana, json!([gtin(1)]), json!({})).await;
    // Two processes know nothing of each other but the database.
    let replica = Arc::new(service.replica().await);
    let pushes = (0..8).map(|number| {
        let service = Arc::clone(if number < 4 { &service } else { &replica });
        let (ana, circuit) = (ana.clone(), circuit.clone());
        let local = if number % 2 == 0 {
            local.clone()
        } else {
            twin.clone()
        };
        tokio::spawn(async move { service.push(&ana, &circuit, &local).await })
    });
    let answers: Vec<_> = join_all(pushes).await.into_iter().map(Result::unwrap).collect();
    for answer in &answers {
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
        assert_eq!(answer.body["dfid"], answers[0].body["dfid"]);
    }
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let items = service.get(&ana, "/api/items?with_total=true").await.body;
    assert_eq!(items["total"], 1, "{items}");
}

pub async fn every_broken_rule_of_a_circuit_is_named(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let rules = json!({"required_canonical": ["sisbov", "gtin"], "required_contextual": ["lot"], "allowed_namespaces": ["bovino"]});
    let circuit = service.circuit(&ana, json!({"rules": rules})).await;
    let local = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let refused = service.push(&ana, &circuit, &local).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let codes = errors(&refused.body, "code");
    assert_eq!(
        codes,
        ["missing_canonical", "missing_contextual", "namespace_not_allowed"],
        "{}",
        refused.body
    );
    assert_eq!(
        service.get(&ana, &format!("/api/items/local/{local}")).await.body["status"],
        "local_only"
    );
    assert_eq!(
        service.get(&ana, &format!("{circuit}/items")).await.body["data"],
        json!([])
    );
}

pub async fn the_owners_push_changes_values_anothers_only_adds(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let first = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400, "farm": "Boa"}))
        .await;
    let dfid = text(&service.push(&ana, &circuit, &first).await.body, "dfid");
    let path = format!("/api/items/{dfid}");

    let newer = service
        .local(&ana, json!([gtin(1), ear_tag("A-1")]), json!({"weight": 450}))
        .await;
    let pushed = service.push(&ana, &circuit, &newer).await;
    assert_eq!(
        (pushed.status, &pushed.body["status"], &pushed.body["dfid"]),
        (200, &json!("existing_item_enriched"), &json!(dfid)),
        "{}",
        pushed.body
    );
    assert_eq!(
        service.get(&ana, &path).await.body["enriched_data"],
        json!({"weight": 450, "farm": "Boa"})
    );

    let others = service
        .local(&bia, json!([gtin(1)]), json!({"weight": 1, "vaccine": "2026"}))
        .await;
    let pushed = service.push(&bia, &circuit, &others).await;
    assert_eq!(
        (pushed.status, &pushed.body["status"], &pushed.body["dfid"]),
        (200, &json!("existing_item_enriched"), &json!(dfid)),
        "{}",
        pushed.body
    );
    let item = service.get(&ana, &path).await.body;
    assert_eq!(
        item["enriched_data"],
        json!({"weight": 450, "farm": "Boa", "vaccine": "2026"})
    );
    assert_eq!(item["owner_workspace_id"], json!(ana.workspace_id));
    let history = service.get(&ana, &format!("{path}/history")).await.body;
    let actors: Vec<_> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "actor_id"))
        .collect();
    assert_eq!(
        actors,
        [ana.user_id.clone(), ana.user_id.clone(), bia.user_id.clone()],
        "{history}"
    );
}

pub async fn identifiers_of_two_items_are_a_conflict_for_people(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let mut dfids = Vec::new();
    for number in [1, 2] {
        let local = service.local(&ana, json!([gtin(number)]), json!({})).await;
        dfids.push(text(&service.push(&ana, &circuit, &local).await.body, "dfid"));
    }
    dfids.sort();
    let both = service
        .local(&ana, json!([gtin(1), gtin(2)]), json!({"colour": "red"}))
        .await;
    let refused = service.push(&ana, &circuit, &both).await;
    assert_eq!(
        (&refused.body["status"], &refused.body["push_status"]),
        (&json!(409), &json!("conflict_detected")),
        "{}",
        refused.body
    );
    assert_eq!(
        (refused.status, &refused.body["code"], &refused.body["dfids"]),
        (409, &json!("conflict_detected"), &json!(dfids)),
        "{}",
        refused.body
    );
    let pending = text(&refused.body, "pending_item_id");
    assert_eq!(
        service.push(&ana, &circuit, &both).await.body["pending_item_id"],
        json!(pending),
        "one conflict, one pending item"
    );
    let list = service.get(&ana, "/api/pending-items?state=pending").await.body;
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][0]["candidates"]),
        (&json!(pending), &json!(dfids)),
        "{list}"
    );

    let path = format!("/api/pending-items/{pending}/resolve");
    let mallory = service.person("mallory").await;
    let approve = json!({"resolution": "approve", "dfid": dfids[0]});
    service
        .expect(404, &mallory, "POST", &path, approve.clone())
        .await;
    service
        .expect(422, &ana, "POST", &path, json!({"resolution": "approve"}))
        .await;
    let done = service.expect(200, &ana, "POST", &path, approve.clone()).await;
    assert_eq!(done["state"], "approved", "{done}");
    service.expect(409, &ana, "POST", &path, approve).await;
    assert_eq!(
        service.get(&ana, &format!("/api/items/{}", dfids[0])).await.body["enriched_data"],
        json!({"colour": "red"})
    );
}

pub async fn equal_pushes_have_one_fingerprint(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    for (fingerprinting, status) in [(true, 200), (false, 201)] {
        let circuit = service
            .circuit(&ana, json!({"rules": {"fingerprinting": fingerprinting}}))
            .await;
        let tag = format!("F-{fingerprinting}");
        let first = service.pushed(&ana, &circuit, &tag).await;
        let equal = service
            .local(&ana, json!([ear_tag(&tag)]), json!({"weight": 400}))
            .await;
        let pushed = service.push(&ana, &circuit, &equal).await;
        assert_eq!(
            (pushed.status, pushed.body["dfid"] == json!(first)),
            (status, fingerprinting),
            "{}",
            pushed.body
        );
    }
}

pub async fn a_batch_is_all_or_each_for_itself(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let path = format!("{circuit}/push-batch");
    let good = service.local(&ana, json!([ear_tag("B-1")]), json!({})).await;
    let items = json!([{"local_id": good}, {"local_id": "absent"}]);
    let refused = service
        .send_as(&ana, "POST", &path, json!({"items": items, "atomic": true}))
        .await;
    assert_eq!(
        (refused.status, &refused.body["item"]),
        (404, &json!(1)),
        "{}",
        refused.body
    );
    assert_eq!(
        service.get(&ana, &format!("/api/items/local/{good}")).await.body["status"],
        "local_only"
    );
    assert_eq!(
        service.get(&ana, "/api/items?with_total=true").await.body["total"],
        0
    );
    let done = service
        .expect(200, &ana, "POST", &path, json!({"items": items}))
        .await;
    assert_eq!(
        (&done["pushed"], &done["failed"]),
        (&json!(1), &json!(1)),
        "{done}"
    );
    assert_eq!(
        (
            &done["results"][0]["result"]["local_id"],
            &done["results"][1]["error"]["code"]
        ),
        (&json!(good), &json!("not_found"))
    );
    service
        .expect(422, &ana, "POST", &path, json!({"items": []}))
        .await;
}
