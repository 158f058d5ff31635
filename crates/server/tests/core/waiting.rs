//! Pushes that wait for approval: what others see of them, and what an approval comes to.

use std::sync::Arc;

use db::Engine;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::{Answer, Person, Service},
};

/// A circuit of ana's with push approval, of which bia and caio are members.
async fn guarded(service: &Service) -> (Person, Person, Person, String) {
    let (ana, bia, caio) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("caio").await,
    );
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": false}}))
        .await;
    for (who, name) in [(&bia, "bia"), (&caio, "caio")] {
        service.join(&ana, &circuit, (who, name), "member").await;
    }
    (ana, bia, caio, circuit)
}

async fn decide(service: &Service, who: &Person, circuit: &str, pushed: &Value, word: &str) -> Value {
    let path = format!("{circuit}/operations/{}/{word}", text(pushed, "operation_id"));
    service.expect(200, who, "POST", &path, json!({})).await
}

/// Pushes a new local item with this content; gives its id and the answer's body.
async fn push_new(
    service: &Service,
    who: &Person,
    circuit: &str,
    identifiers: Value,
    data: Value,
) -> (String, Answer) {
    let local = service.local(who, identifiers, data).await;
    let pushed = service.push(who, circuit, &local).await;
    (local, pushed)
}

async fn local_state(service: &Service, who: &Person, local: &str) -> (Value, Value) {
    let local = service.get(who, &format!("/api/items/local/{local}")).await.body;
    (local["status"].clone(), local["dfid"].clone())
}

/// An item of ana's that lies in the circuit, with GTIN 1.
async fn shown_item(service: &Service, ana: &Person, circuit: &str) -> String {
    let (_, pushed) = push_new(service, ana, circuit, json!([gtin(1)]), json!({"weight": 400})).await;
    decide(service, ana, circuit, &pushed.body, "approve").await;
    text(&pushed.body, "dfid")
}

pub async fn adding_to_anothers_item_waits_with_its_content(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = guarded(&service).await;
    let dfid = shown_item(&service, &ana, &circuit).await;
    let item = format!("/api/items/{dfid}");
    let before = service.get(&ana, &item).await.body;
    let data = json!({"weight": 1, "vaccine": "2026"});
    let (local, pushed) = push_new(&service, &bia, &circuit, json!([gtin(1), ear_tag("B-1")]), data).await;
    assert_eq!(
        (
            pushed.status,
            &pushed.body["dfid"],
            &pushed.body["status"],
            &pushed.body["operation_state"]
        ),
        (
            200,
            &json!(dfid),
            &json!("existing_item_enriched"),
            &json!("pending")
        ),
        "{}",
        pushed.body
    );
    assert_eq!(
        service.get(&ana, &item).await.body,
        before,
        "nothing is changed before approval"
    );
    assert_eq!(
        local_state(&service, &bia, &local).await,
        (json!("pending_approval"), Value::Null)
    );
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
    assert_eq!(
        (
            again.status,
            &again.body["operation_id"],
            &again.body["operation_state"]
        ),
        (200, &pushed.body["operation_id"], &json!("pending")),
        "{}",
        again.body
    );
    let more = json!({"local_id": local, "enriched_data": {"colour": "red"}});
    service
        .expect(409, &bia, "POST", &format!("{circuit}/push-local"), more)
        .await;

    let done = decide(&service, &ana, &circuit, &pushed.body, "approve").await;
    assert_eq!(
        (&done["state"], &done["dfid"]),
        (&json!("completed"), &json!(dfid)),
        "{done}"
    );
    let after = service.get(&ana, &item).await.body;
    assert_eq!(
        after["enriched_data"],
        json!({"weight": 400, "vaccine": "2026"}),
        "it only adds"
    );
    assert_eq!(after["identifiers"].as_array().unwrap().len(), 2, "{after}");
    assert_eq!(
        local_state(&service, &bia, &local).await,
        (json!("tokenized"), json!(dfid))
    );
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
    let (ana, bia, _, circuit) = guarded(&service).await;
    let dfid = shown_item(&service, &ana, &circuit).await;
    let item = format!("/api/items/{dfid}");
    let before = service.get(&ana, &item).await.body;
    let (local, _) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"vaccine": "2026"}),
    )
    .await;
    for (who, word) in [(&ana, "reject"), (&bia, "cancel")] {
        let pushed = service.push(&bia, &circuit, &local).await.body;
        assert_eq!(pushed["operation_state"], "pending", "{pushed}");
        decide(&service, who, &circuit, &pushed, word).await;
        assert_eq!(service.get(&ana, &item).await.body, before);
        assert_eq!(
            local_state(&service, &bia, &local).await,
            (json!("local_only"), Value::Null)
        );
    }
    // The item's own place and identifiers are not what was taken back.
    let (_, again) = push_new(&service, &bia, &circuit, json!([gtin(1)]), json!({})).await;
    assert_eq!(
        (&again.body["dfid"], &again.body["operation_state"]),
        (&json!(dfid), &json!("completed")),
        "what adds nothing need not wait: {}",
        again.body
    );
}

pub async fn an_approval_checks_the_rules_again(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = guarded(&service).await;
    let dfid = shown_item(&service, &ana, &circuit).await;
    let (local, adds) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"vaccine": "2026"}),
    )
    .await;
    let (new, brings) = push_new(&service, &bia, &circuit, json!([gtin(2)]), json!({})).await;
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
        let failed = decide(&service, &ana, &circuit, pushed, "approve").await;
        assert_eq!(failed["state"], "failed", "{failed}");
        assert!(text(&failed, "reason").contains("lot"), "{failed}");
    }
    assert_eq!(
        local_state(&service, &bia, &local).await,
        (json!("local_only"), Value::Null)
    );
    assert_eq!(local_state(&service, &bia, &new).await.0, "tokenized");
    let list = service.get(&ana, &format!("{circuit}/items")).await.body;
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        service.get(&ana, &format!("/api/items/{dfid}")).await.body["enriched_data"],
        json!({"weight": 400})
    );
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"rules": {}}))
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
    service.expect(204, &ana, "DELETE", &member, Value::Null).await;
    let failed = service.expect(200, &ana, "POST", &path, json!({})).await;
    assert_eq!(failed["state"], "failed", "{failed}");
}

pub async fn what_it_would_add_to_may_have_left(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = guarded(&service).await;
    let dfid = shown_item(&service, &ana, &circuit).await;
    let (local, pushed) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"vaccine": "2026"}),
    )
    .await;
    let place = format!("{circuit}/items/{dfid}");
    service.expect(204, &ana, "DELETE", &place, Value::Null).await;
    let failed = decide(&service, &ana, &circuit, &pushed.body, "approve").await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(
        local_state(&service, &bia, &local).await,
        (json!("local_only"), Value::Null)
    );
    // Pushed again, it is a new item: the other is out of the circuit's reach.
    let again = service.push(&bia, &circuit, &local).await;
    assert_eq!(
        (again.status, again.body["dfid"] == json!(dfid)),
        (201, false),
        "{}",
        again.body
    );
}

pub async fn a_waiting_push_is_not_found_by_a_second_one(engine: Engine) {
    let service = Service::start(engine).await;
    for first_wins in [true, false] {
        let suffix = if first_wins { "x" } else { "y" };
        let names: Vec<_> = ["ana", "bia", "caio"]
            .iter()
            .map(|name| format!("{name}{suffix}"))
            .collect();
        let (ana, bia, caio) = (
            service.person(&names[0]).await,
            service.person(&names[1]).await,
            service.person(&names[2]).await,
        );
        let circuit = service
            .circuit(&ana, json!({"approvals": {"push": true, "pull": false}}))
            .await;
        service
            .join(&ana, &circuit, (&bia, names[1].as_str()), "member")
            .await;
        service
            .join(&ana, &circuit, (&caio, names[2].as_str()), "member")
            .await;
        let (bias, one) = push_new(&service, &bia, &circuit, json!([gtin(1)]), json!({"farm": "Boa"})).await;
        let (caios, two) = push_new(
            &service,
            &caio,
            &circuit,
            json!([gtin(1)]),
            json!({"vaccine": "2026"}),
        )
        .await;
        assert_eq!(
            (
                one.status,
                two.status,
                &two.body["status"],
                &two.body["operation_state"]
            ),
            (201, 201, &json!("new_item_created"), &json!("pending")),
            "the second push answers as if there were no first: {}",
            two.body
        );
        let bias_dfid = text(&one.body, "dfid");
        assert_ne!(one.body["dfid"], two.body["dfid"]);
        for path in ["items", "activity", "operations"] {
            let seen = service.get(&caio, &format!("{circuit}/{path}")).await;
            assert!(
                !seen.body.to_string().contains(&bias_dfid),
                "{path}: {}",
                seen.body
            );
        }
        let (first, second, winner, loser, lost_local) = if first_wins {
            (&one.body, &two.body, &bia, &caio, &caios)
        } else {
            (&two.body, &one.body, &caio, &bia, &bias)
        };
        let stays = text(first, "dfid");
        assert_eq!(
            decide(&service, &ana, &circuit, first, "approve").await["dfid"],
            json!(stays)
        );
        let folded = decide(&service, &ana, &circuit, second, "approve").await;
        assert_eq!(
            (&folded["state"], &folded["dfid"]),
            (&json!("completed"), &json!(stays)),
            "{folded}"
        );
        let list = service
            .get(&ana, &format!("{circuit}/items?with_total=true"))
            .await
            .body;
        assert_eq!(
            (&list["total"], &list["data"][0]["dfid"]),
            (&json!(1), &json!(stays)),
            "{list}"
        );
        let item = service.get(winner, &format!("/api/items/{stays}")).await.body;
        assert_eq!(item["enriched_data"], json!({"farm": "Boa", "vaccine": "2026"}));
        assert_eq!(item["aliases"], json!([second["dfid"]]));
        let moved = service
            .get(loser, &format!("/api/items/{}", text(second, "dfid")))
            .await;
        assert_eq!(
            (moved.status, moved.headers["location"].to_str().unwrap()),
            (308, &*format!("/api/items/{stays}"))
        );
        assert_eq!(
            local_state(&service, loser, lost_local).await,
            (json!("tokenized"), json!(stays))
        );
        let again = service.push(loser, &circuit, lost_local).await;
        assert_eq!(
            (again.status, &again.body["dfid"]),
            (200, &json!(stays)),
            "{}",
            again.body
        );
    }
}

pub async fn two_items_that_others_know_are_a_conflict_at_approval(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = guarded(&service).await;
    let (bias, one) = push_new(&service, &bia, &circuit, json!([gtin(1)]), json!({})).await;
    let (_, two) = push_new(&service, &caio, &circuit, json!([gtin(1)]), json!({})).await;
    // Somebody reads bia's item by now: its DFID cannot give way any more.
    let item = format!("/api/items/{}", text(&one.body, "dfid"));
    service
        .expect(
            201,
            &bia,
            "POST",
            &format!("{item}/share"),
            json!({"username": "ana"}),
        )
        .await;
    decide(&service, &ana, &circuit, &two.body, "approve").await;
    let failed = decide(&service, &ana, &circuit, &one.body, "approve").await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(
        text(&failed, "reason").starts_with("conflict_detected"),
        "{failed}"
    );
    let mut candidates = vec![one.body["dfid"].clone(), two.body["dfid"].clone()];
    candidates.sort_by_key(ToString::to_string);
    let pending = service.get(&bia, "/api/pending-items").await.body;
    assert_eq!(
        (&pending["data"][0]["local_id"], &pending["data"][0]["candidates"]),
        (&json!(bias), &json!(candidates)),
        "{pending}"
    );
    assert_eq!(
        service.get(&ana, "/api/pending-items").await.body["data"],
        json!([])
    );
    assert_eq!(service.get(&ana, &item).await.body["status"], "active");
    assert_eq!(
        service
            .get(&ana, &format!("{circuit}/items?with_total=true"))
            .await
            .body["total"],
        1
    );
}

pub async fn eight_approvals_of_one_thing_make_one_item(engine: Engine) {
    let service = Arc::new(Service::start(engine).await);
    let ana = service.person("ana").await;
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": false}}))
        .await;
    let mut waiting = Vec::new();
    for number in 0..8 {
        let name = format!("member{number}");
        let member = service.person(&name).await;
        service.join(&ana, &circuit, (&member, &name), "member").await;
        let data = json!({format!("by_{number}"): true});
        waiting.push(
            push_new(&service, &member, &circuit, json!([gtin(1)]), data)
                .await
                .1
                .body,
        );
    }
    let decisions = waiting.iter().map(|pushed| {
        let (service, ana) = (Arc::clone(&service), ana.clone());
        let path = format!("{circuit}/operations/{}/approve", text(pushed, "operation_id"));
        tokio::spawn(async move { service.send_as(&ana, "POST", &path, json!({})).await })
    });
    let answers: Vec<_> = join_all(decisions)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (answer, pushed) in answers.iter().zip(&waiting) {
        // One that lost the race too often is told to try again; nothing is half done.
        if answer.status != 200 {
            assert!(matches!(answer.status, 409 | 503), "{}", answer.body);
            decide(&service, &ana, &circuit, pushed, "approve").await;
        }
    }
    let list = service
        .get(&ana, &format!("{circuit}/items?with_total=true"))
        .await
        .body;
    assert_eq!(list["total"], 1, "{list}");
    let operations = service
        .get(
            &ana,
            &format!("{circuit}/operations?state=completed&with_total=true"),
        )
        .await
        .body;
    assert_eq!(operations["total"], 8, "{operations}");
    for operation in operations["data"].as_array().unwrap() {
        assert_eq!(operation["dfid"], list["data"][0]["dfid"]);
    }
    let dfid = text(&list["data"][0], "dfid");
    service
        .expect(
            201,
            &ana,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": dfid}),
        )
        .await;
    let item = service.get(&ana, &format!("/api/items/{dfid}")).await.body;
    assert_eq!(item["enriched_data"].as_object().unwrap().len(), 8, "{item}");
}

pub async fn approvals_that_were_switched_off_let_pushes_pass(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio, circuit) = guarded(&service).await;
    let (_, waits) = push_new(&service, &bia, &circuit, json!([gtin(1)]), json!({})).await;
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &circuit,
            json!({"approvals": {"push": false, "pull": false}}),
        )
        .await;
    let (_, passes) = push_new(&service, &caio, &circuit, json!([gtin(1)]), json!({})).await;
    assert_eq!(
        (passes.status, &passes.body["operation_state"]),
        (201, &json!("completed")),
        "{}",
        passes.body
    );
    let folded = decide(&service, &ana, &circuit, &waits.body, "approve").await;
    assert_eq!(
        (&folded["state"], &folded["dfid"]),
        (&json!("completed"), &passes.body["dfid"]),
        "{folded}"
    );
}

pub async fn members_hear_of_a_push_when_it_is_approved(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = guarded(&service).await;
    let dfid = shown_item(&service, &ana, &circuit).await;
    let (_, refused) = push_new(&service, &bia, &circuit, json!([gtin(2)]), json!({})).await;
    let (_, waits) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"vaccine": "2026"}),
    )
    .await;
    decide(&service, &ana, &circuit, &refused.body, "reject").await;
    let events = format!("/api/items/{dfid}/timeline");
    let seen = service.get(&ana, &events).await.body;
    assert_eq!(
        seen["data"].as_array().unwrap().len(),
        2,
        "the owner's request and push: {seen}"
    );
    decide(&service, &ana, &circuit, &waits.body, "approve").await;
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
    let (ana, bia, _, circuit) = guarded(&service).await;
    let (local, pushed) = push_new(&service, &bia, &circuit, json!([gtin(1)]), json!({})).await;
    let place = format!("{circuit}/items/{}", text(&pushed.body, "dfid"));
    service.expect(409, &bia, "DELETE", &place, Value::Null).await;
    // A second local item of the same thing waits with the first, and is decided with it.
    let (twin, joined) = push_new(&service, &bia, &circuit, json!([gtin(1)]), json!({"weight": 1})).await;
    assert_eq!(
        joined.body["operation_id"], pushed.body["operation_id"],
        "{}",
        joined.body
    );
    assert_eq!(
        local_state(&service, &bia, &twin).await,
        (json!("pending_approval"), pushed.body["dfid"].clone())
    );
    decide(&service, &ana, &circuit, &pushed.body, "approve").await;
    for local in [&local, &twin] {
        assert_eq!(
            local_state(&service, &bia, local).await,
            (json!("tokenized"), pushed.body["dfid"].clone())
        );
    }
    service.expect(204, &bia, "DELETE", &place, Value::Null).await;
}

pub async fn waiting_content_is_bounded(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, _, circuit) = guarded(&service).await;
    let dfid = shown_item(&service, &ana, &circuit).await;
    let (_, pushed) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"vaccine": "2026"}),
    )
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
    let (_, last) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"colour": "red"}),
    )
    .await;
    assert_eq!(last.body["operation_state"], "pending", "{}", last.body);
    let (local, over) = push_new(
        &service,
        &bia,
        &circuit,
        json!([gtin(1)]),
        json!({"breed": "nelore"}),
    )
    .await;
    assert_eq!(
        (over.status, &over.body["code"]),
        (409, &json!("conflict")),
        "{}",
        over.body
    );
    assert_eq!(
        local_state(&service, &bia, &local).await,
        (json!("local_only"), Value::Null)
    );
    assert_eq!(
        service.get(&ana, &format!("/api/items/{dfid}")).await.body["enriched_data"],
        json!({"weight": 400})
    );
    decide(&service, &bia, &circuit, &last.body, "cancel").await;
    let again = service.push(&bia, &circuit, &local).await;
    assert_eq!(
        (again.status, &again.body["operation_state"]),
        (200, &json!("pending")),
        "{}",
        again.body
    );
}
