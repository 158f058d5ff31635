//! Pushes that wait for approval: what others see of them, and what an approval comes to.

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin, says, text},
    fixture::Service,
};

pub async fn adding_to_anothers_item_waits_with_its_content(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = service.guarded().await;
    let dfid = service.shown_item(&ana, &circuit).await;
    let item = format!("/api/items/{dfid}");
    let before = service.get(&ana, &item).await.body;
    let data = json!({"weight": 1, "vaccine": "2026"});
    let (local, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1), ear_tag("B-1")]), data)
        .await;
    pushed.says(
        200,
        &json!({"dfid": dfid, "status": "existing_item_enriched", "operation_state": "pending"}),
    );
    assert_eq!(
        service.get(&ana, &item).await.body,
        before,
        "nothing is changed before approval"
    );
    service
        .local_is(&bia, &local, "pending_approval", &Value::Null)
        .await;
    // Who decides sees what waits; the other members do not even see that something does.
    let path = format!("{circuit}/operations/{}", text(&pushed.body, "operation_id"));
    let waiting = service.get(&ana, &path).await.body;
    assert_eq!(
        waiting["content"]["enriched_data"],
        json!({"weight": 1, "vaccine": "2026"}),
        "{waiting}"
    );
    assert_eq!(service.get(&caio, &path).await.status, 404);
    // The same again is the same; more of it is told, not dropped.
    let again = service.push(&bia, &circuit, &local).await;
    again.says(
        200,
        &json!({"operation_id": pushed.body["operation_id"], "operation_state": "pending"}),
    );
    let more = json!({"local_id": local, "enriched_data": {"colour": "red"}});
    service
        .expect(409, &bia, "POST", &format!("{circuit}/push-local"), more)
        .await;

    let done = service.decide(&ana, &circuit, &pushed.body, "approve").await;
    says(&done, &json!({"state": "completed", "dfid": dfid}));
    let after = service.get(&ana, &item).await.body;
    assert_eq!(
        after["enriched_data"],
        json!({"weight": 400, "vaccine": "2026"}),
        "it only adds"
    );
    assert_eq!(after["identifiers"].as_array().unwrap().len(), 2, "{after}");
    service.local_is(&bia, &local, "tokenized", &json!(dfid)).await;
    let history = service.get(&ana, &format!("{item}/history")).await.body;
    let last = history["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (
            &last["actor_id"],
            &last["changes"]["approved_by"],
            &last["version"]
        ),
        (&json!(bia.user_id), &json!(ana.user_id), &after["version"]),
        "{last}"
    );
    let kept = service.get(&ana, &path).await.body;
    assert_eq!(
        kept.get("content"),
        None,
        "what was decided keeps no content: {kept}"
    );
}

pub async fn a_refused_addition_changes_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = service.guarded().await;
    let dfid = service.shown_item(&ana, &circuit).await;
    let item = format!("/api/items/{dfid}");
    let before = service.get(&ana, &item).await.body;
    let (local, _) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    for (who, word) in [(&ana, "reject"), (&bia, "cancel")] {
        let pushed = service.push(&bia, &circuit, &local).await.body;
        assert_eq!(pushed["operation_state"], "pending", "{pushed}");
        service.decide(who, &circuit, &pushed, word).await;
        assert_eq!(service.get(&ana, &item).await.body, before);
        service.local_is(&bia, &local, "local_only", &Value::Null).await;
    }
    // The item's own place and identifiers are not what was taken back.
    let (_, again) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    assert_eq!(
        (&again.body["dfid"], &again.body["operation_state"]),
        (&json!(dfid), &json!("completed")),
        "what adds nothing need not wait: {}",
        again.body
    );
}

pub async fn an_approval_checks_the_rules_again(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = service.guarded().await;
    let dfid = service.shown_item(&ana, &circuit).await;
    let (local, adds) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    let (new, brings) = service
        .push_new(&bia, &circuit, json!([gtin(2)]), json!({}))
        .await;
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &circuit,
            json!({"rules": {"required_contextual": ["lot"]}}),
        )
        .await;
    for pushed in [&adds.body, &brings.body] {
        let failed = service.decide(&ana, &circuit, pushed, "approve").await;
        assert_eq!(failed["state"], "failed", "{failed}");
        assert!(text(&failed, "reason").contains("lot"), "{failed}");
    }
    service.local_is(&bia, &local, "local_only", &Value::Null).await;
    assert_eq!(service.local_state(&bia, &new).await.0, "tokenized");
    let list = service.get(&ana, &format!("{circuit}/items")).await.body;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        service.get(&ana, &format!("/api/items/{dfid}")).await.body["enriched_data"],
        json!({"weight": 400})
    );
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &circuit,
            json!({"rules": {"required_contextual": []}}),
        )
        .await;
    // Who asked must still be a member that may push; and the circuit must be open.
    let pushed = service.push(&bia, &circuit, &local).await.body;
    let path = format!("{circuit}/operations/{}/approve", text(&pushed, "operation_id"));
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "inactive"}))
        .await;
    service.expect(409, &ana, "POST", &path, json!({})).await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "active"}))
        .await;
    let member = format!("{circuit}/members/{}", bia.user_id);
    let viewer = json!({"role": "viewer"});
    service.expect(200, &ana, "PUT", &member, viewer).await;
    let failed = service.expect(200, &ana, "POST", &path, json!({})).await;
    assert_eq!(failed["state"], "failed", "{failed}");
}

pub async fn what_it_would_add_to_may_have_left(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = service.guarded().await;
    let dfid = service.shown_item(&ana, &circuit).await;
    let (local, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    let place = format!("{circuit}/items/{dfid}");
    service.expect(204, &ana, "DELETE", &place, Value::Null).await;
    let failed = service.decide(&ana, &circuit, &pushed.body, "approve").await;
    assert_eq!(failed["state"], "failed", "{failed}");
    service.local_is(&bia, &local, "local_only", &Value::Null).await;
    // Pushed again, it is a new item: the other is out of the circuit's reach.
    let again = service.push(&bia, &circuit, &local).await;
    assert_eq!(
        (again.status, again.body["dfid"] == json!(dfid)),
        (201, false),
        "{}",
        again.body
    );
}

pub async fn approvals_that_were_switched_off_let_pushes_pass(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = service.guarded().await;
    let (_, waits) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &circuit,
            json!({"approvals": {"push": false, "pull": false}}),
        )
        .await;
    let (_, passes) = service
        .push_new(&caio, &circuit, json!([gtin(1)]), json!({}))
        .await;
    passes.says(201, &json!({"operation_state": "completed"}));
    let folded = service.decide(&ana, &circuit, &waits.body, "approve").await;
    says(
        &folded,
        &json!({"state": "completed", "dfid": passes.body["dfid"]}),
    );
}

pub async fn members_hear_of_a_push_when_it_is_approved(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = service.guarded().await;
    let dfid = service.shown_item(&ana, &circuit).await;
    let (_, refused) = service
        .push_new(&bia, &circuit, json!([gtin(2)]), json!({}))
        .await;
    let (_, waits) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    service.decide(&ana, &circuit, &refused.body, "reject").await;
    let events = format!("/api/items/{dfid}/timeline");
    let seen = service.get(&ana, &events).await.body;
    assert_eq!(
        seen["data"].as_array().unwrap().len(),
        2,
        "the owner's request and push: {seen}"
    );
    service.decide(&ana, &circuit, &waits.body, "approve").await;
    let seen = service.get(&ana, &events).await.body;
    let last = seen["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (
            seen["data"].as_array().unwrap().len(),
            &last["event_type"],
            &last["workspace_id"]
        ),
        (3, &json!("item.pushed"), &json!(bia.workspace_id)),
        "{seen}"
    );
    let activity = service
        .get(&bia, &format!("{circuit}/activity"))
        .await
        .body
        .to_string();
    assert!(activity.contains(&dfid), "{activity}");
    let hidden = service
        .get(&ana, &format!("{circuit}/activity"))
        .await
        .body
        .to_string();
    assert!(!hidden.contains(&text(&refused.body, "dfid")), "{hidden}");
}

pub async fn a_waiting_place_is_given_up_by_its_operation(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = service.guarded().await;
    let (local, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({}))
        .await;
    let place = format!("{circuit}/items/{}", text(&pushed.body, "dfid"));
    service.expect(409, &bia, "DELETE", &place, Value::Null).await;
    // A second local item of the same thing waits with the first, and is decided with it.
    let (twin, joined) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"weight": 1}))
        .await;
    assert_eq!(
        joined.body["operation_id"], pushed.body["operation_id"],
        "{}",
        joined.body
    );
    service
        .local_is(&bia, &twin, "pending_approval", &pushed.body["dfid"])
        .await;
    service.decide(&ana, &circuit, &pushed.body, "approve").await;
    for local in [&local, &twin] {
        service
            .local_is(&bia, local, "tokenized", &pushed.body["dfid"])
            .await;
    }
    service.expect(204, &bia, "DELETE", &place, Value::Null).await;
}

pub async fn waiting_content_is_bounded(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = service.guarded().await;
    let dfid = service.shown_item(&ana, &circuit).await;
    let (_, pushed) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    let id = circuit.trim_start_matches("/api/circuits/").parse().unwrap();
    let operation = text(&pushed.body, "operation_id").parse().unwrap();
    let scope = db::Scope::system();
    let read = service.db.scoped(&scope);
    let operation = store::operations::find(&read, id, operation)
        .await
        .unwrap()
        .unwrap();
    let more = (2..app::push::MAX_WAITING).map(|_| {
        let id = domain::ids::OperationId::generate(&*service.ids);
        store::operations::insert(&store::operations::Operation {
            id,
            ..operation.clone()
        })
    });
    service
        .db
        .run(&db::Scope::system(), more.collect())
        .await
        .unwrap();
    let (_, last) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"colour": "red"}))
        .await;
    assert_eq!(last.body["operation_state"], "pending", "{}", last.body);
    let (local, over) = service
        .push_new(&bia, &circuit, json!([gtin(1)]), json!({"breed": "nelore"}))
        .await;
    over.says(409, &json!({"code": "conflict"}));
    service.local_is(&bia, &local, "local_only", &Value::Null).await;
    assert_eq!(
        service.get(&ana, &format!("/api/items/{dfid}")).await.body["enriched_data"],
        json!({"weight": 400})
    );
    service.decide(&bia, &circuit, &last.body, "cancel").await;
    let again = service.push(&bia, &circuit, &local).await;
    again.says(200, &json!({"operation_state": "pending"}));
}
