//! The behaviours, each over a fresh service.

use std::{sync::Arc, time::Duration};

use db::Engine;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, errors, gtin, text, without_ids},
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

pub async fn a_waiting_push_is_the_pushers_own_until_approved(engine: Engine) {
    let service = Service::start(engine).await;
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
    let local = service.local(&bia, json!([gtin(1)]), json!({})).await;
    let pushed = service.push(&bia, &circuit, &local).await.body;
    let (dfid, operation) = (text(&pushed, "dfid"), text(&pushed, "operation_id"));
    assert_eq!(pushed["operation_state"], "pending", "{pushed}");
    assert_eq!(
        service.get(&caio, &format!("{circuit}/items")).await.body["data"],
        json!([])
    );
    assert_eq!(
        service.get(&bia, &format!("{circuit}/items")).await.body["data"][0]["state"],
        "pending"
    );
    let pull = format!("{circuit}/pull");
    service
        .expect(404, &caio, "POST", &pull, json!({"dfid": dfid}))
        .await;
    let path = format!("{circuit}/operations/{operation}");
    assert_eq!(service.get(&caio, &path).await.status, 404);
    assert_eq!(
        service.get(&caio, &format!("{circuit}/operations")).await.body["data"],
        json!([])
    );
    service
        .expect(403, &bia, "POST", &format!("{path}/approve"), json!({}))
        .await;
    let done = service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{path}/approve"),
            json!({"reason": "seen"}),
        )
        .await;
    assert_eq!(
        (&done["state"], &done["reason"]),
        (&json!("completed"), &json!("seen"))
    );
    assert_eq!(
        service.get(&caio, &format!("{circuit}/items")).await.body["data"][0]["dfid"],
        json!(dfid)
    );
    assert_eq!(
        service.get(&bia, &format!("/api/items/local/{local}")).await.body["status"],
        "tokenized"
    );
    service
        .expect(201, &caio, "POST", &pull, json!({"dfid": dfid}))
        .await;
}

pub async fn eight_approvals_make_one_transition(engine: Engine) {
    let service = Arc::new(Service::start(engine).await);
    let ana = service.person("ana").await;
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": true}}))
        .await;
    let local = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let operation = text(&service.push(&ana, &circuit, &local).await.body, "operation_id");
    let words = ["approve", "reject", "cancel", "approve"];
    let replica = Arc::new(service.replica().await);
    let decisions = (0..8).map(|number| {
        let service = Arc::clone(if number < 4 { &service } else { &replica });
        let ana = ana.clone();
        let path = format!("{circuit}/operations/{operation}/{}", words[number % 4]);
        tokio::spawn(async move { service.send_as(&ana, "POST", &path, json!({})).await })
    });
    let answers: Vec<_> = join_all(decisions)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (lost.status, &lost.body["code"]),
            (409, &json!("invalid_transition")),
            "{}",
            lost.body
        );
    }
    let now = service
        .get(&ana, &format!("{circuit}/operations/{operation}"))
        .await
        .body;
    assert_eq!(now["state"], won[0].body["state"]);
}

pub async fn a_refused_push_leaves_nothing_and_can_be_repeated(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": false}}))
        .await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let local = service.local(&bia, json!([gtin(1)]), json!({})).await;
    for (who, word, state) in [(&ana, "reject", "rejected"), (&bia, "cancel", "cancelled")] {
        let pushed = service.push(&bia, &circuit, &local).await.body;
        let path = format!("{circuit}/operations/{}/{word}", text(&pushed, "operation_id"));
        assert_eq!(
            service.expect(200, who, "POST", &path, json!({})).await["state"],
            state
        );
        assert_eq!(
            service
                .get(&ana, &format!("{circuit}/items?with_total=true"))
                .await
                .body["total"],
            0
        );
        assert_eq!(
            service
                .get(&bia, &format!("{circuit}/items?with_total=true"))
                .await
                .body["total"],
            0
        );
    }
    let pushed = service.push(&bia, &circuit, &local).await.body;
    assert_eq!(pushed["operation_state"], "pending", "{pushed}");
    // The identifiers of a refused push are free again for others of the circuit.
    let path = format!("{circuit}/operations/{}/reject", text(&pushed, "operation_id"));
    service.expect(200, &ana, "POST", &path, json!({})).await;
    let own = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let anas = service.push(&ana, &circuit, &own).await;
    assert_eq!(
        (anas.status, anas.body["dfid"] != pushed["dfid"]),
        (201, true),
        "{}",
        anas.body
    );
}

pub async fn what_was_pulled_stays_readable(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    for approval in [false, true] {
        let circuit = service
            .circuit(&ana, json!({"approvals": {"push": false, "pull": approval}}))
            .await;
        service.join(&ana, &circuit, (&bia, "bia"), "viewer").await;
        let dfid = service.pushed(&ana, &circuit, &format!("P-{approval}")).await;
        let item = format!("/api/items/{dfid}");
        assert_eq!(service.get(&bia, &item).await.status, 404, "not before the pull");
        let pull = format!("{circuit}/pull");
        let pulled = service
            .expect(201, &bia, "POST", &pull, json!({"dfid": dfid}))
            .await;
        if approval {
            assert_eq!(pulled["state"], "pending");
            assert_eq!(
                service.get(&bia, &item).await.status,
                404,
                "not before the approval"
            );
            let path = format!("{circuit}/operations/{}/approve", text(&pulled, "operation_id"));
            service.expect(403, &bia, "POST", &path, json!({})).await;
            service.expect(200, &ana, "POST", &path, json!({})).await;
        }
        let again = service
            .expect(200, &bia, "POST", &pull, json!({"dfid": dfid}))
            .await;
        assert_eq!(
            (&again["operation_id"], &again["state"]),
            (&pulled["operation_id"], &json!("completed"))
        );
        assert_eq!(
            service.get(&bia, &item).await.body["enriched_data"],
            json!({"weight": 400})
        );
        service
            .expect(403, &bia, "PATCH", &item, json!({"enriched_data": {"weight": 1}}))
            .await;
        service
            .expect(
                204,
                &ana,
                "DELETE",
                &format!("{circuit}/items/{dfid}"),
                Value::Null,
            )
            .await;
        let member = format!("{circuit}/members/{}", bia.user_id);
        service.expect(204, &ana, "DELETE", &member, Value::Null).await;
        assert_eq!(
            service.get(&bia, &circuit).await.status,
            404,
            "no member any more"
        );
        assert_eq!(
            service.get(&bia, &item).await.status,
            200,
            "but what was pulled stays"
        );
    }
}

pub async fn an_admin_of_a_third_workspace_decides(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, dora) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("dora").await,
    );
    let circuit = service
        .circuit(&ana, json!({"approvals": {"push": true, "pull": true}}))
        .await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    service.join(&ana, &circuit, (&dora, "dora"), "admin").await;
    let approve = |answer: &Value| format!("{circuit}/operations/{}/approve", text(answer, "operation_id"));
    let anas = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400}))
        .await;
    let pushed = service.push(&ana, &circuit, &anas).await.body;
    service
        .expect(200, &dora, "POST", &approve(&pushed), json!({}))
        .await;
    assert_eq!(
        service.get(&ana, &format!("/api/items/local/{anas}")).await.body["status"],
        "tokenized"
    );
    let dfid = text(&pushed, "dfid");
    let pulled = service
        .expect(
            201,
            &bia,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": dfid}),
        )
        .await;
    service
        .expect(200, &dora, "POST", &approve(&pulled), json!({}))
        .await;
    let item = format!("/api/items/{dfid}");
    assert_eq!(service.get(&bia, &item).await.status, 200);
    assert_eq!(
        service.get(&dora, &item).await.status,
        404,
        "who decides pulls for herself"
    );
    // What adds nothing new to wait for leaves no local item waiting for ever.
    let equal = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400}))
        .await;
    let again = service.push(&ana, &circuit, &equal).await.body;
    assert_eq!(
        (&again["dfid"], &again["operation_state"]),
        (&json!(dfid), &json!("completed")),
        "{again}"
    );
    assert_eq!(
        service.get(&ana, &format!("/api/items/local/{equal}")).await.body["status"],
        "tokenized"
    );
    // Nobody adds to another's item past the approvers.
    let others = service
        .local(&bia, json!([gtin(1)]), json!({"vaccine": "2026"}))
        .await;
    assert_eq!(service.push(&bia, &circuit, &others).await.status, 409);
    let seen = service.get(&ana, &item).await.body;
    assert_eq!(seen["enriched_data"], json!({"weight": 400}));
    service
        .expect(
            204,
            &dora,
            "DELETE",
            &format!("{circuit}/items/{dfid}"),
            Value::Null,
        )
        .await;
    assert_eq!(
        service.get(&bia, &item).await.status,
        200,
        "what was pulled stays"
    );
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

pub async fn unmerging_local_items_restores_them_exactly(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let one = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400}))
        .await;
    let two = service
        .local(&ana, json!([gtin(1), ear_tag("A-2")]), json!({"colour": "red"}))
        .await;
    let (path, other) = (
        format!("/api/items/local/{one}"),
        format!("/api/items/local/{two}"),
    );
    let content = |body: &Value| {
        (
            body["identifiers"].clone(),
            body["enriched_data"].clone(),
            body["status"].clone(),
        )
    };
    let before = (
        content(&service.get(&ana, &path).await.body),
        content(&service.get(&ana, &other).await.body),
    );
    let found = service.get(&ana, "/api/items/local/duplicates").await.body;
    let mut group = found["groups"][0]["local_ids"].as_array().unwrap().clone();
    group.sort_by_key(ToString::to_string);
    let mut both = vec![json!(one), json!(two)];
    both.sort_by_key(ToString::to_string);
    assert_eq!(group, both, "{found}");
    let organise = "/api/items/local/organise";
    let dry = service
        .expect(200, &ana, "POST", organise, json!({"dry_run": true}))
        .await;
    assert_eq!(dry["merges"].as_array().unwrap().len(), 1, "{dry}");
    assert_eq!(
        content(&service.get(&ana, &path).await.body),
        before.0,
        "a dry run changes nothing"
    );

    let merge = format!("{path}/merge");
    service
        .expect(422, &ana, "POST", &merge, json!({"local_ids": [one]}))
        .await;
    service
        .expect(404, &ana, "POST", &merge, json!({"local_ids": ["absent"]}))
        .await;
    let merged = service
        .expect(200, &ana, "POST", &merge, json!({"local_ids": [two]}))
        .await;
    assert_eq!(merged["enriched_data"], json!({"weight": 400, "colour": "red"}));
    assert_eq!(service.get(&ana, &other).await.body["merged_into"], json!(one));
    service
        .expect(200, &ana, "POST", &format!("{path}/unmerge"), Value::Null)
        .await;
    let after = (
        content(&service.get(&ana, &path).await.body),
        content(&service.get(&ana, &other).await.body),
    );
    assert_eq!(after, before);
    service
        .expect(409, &ana, "POST", &format!("{path}/unmerge"), Value::Null)
        .await;
    let done = service.expect(200, &ana, "POST", organise, json!({})).await;
    assert_eq!(done["merges"].as_array().unwrap().len(), 1);
    assert_eq!(
        service
            .get(&ana, "/api/items/local?status=merged&with_total=true")
            .await
            .body["total"],
        1
    );
}

pub async fn items_are_enriched_merged_split_and_shared(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    let (one, two) = (
        service.pushed(&ana, &circuit, "A-1").await,
        service.pushed(&ana, &circuit, "A-2").await,
    );
    let path = format!("/api/items/{one}");
    let bearer = format!("Bearer {}", ana.token);
    let patch = |tag: String| {
        let (service, bearer, path) = (&service, &bearer, &path);
        async move {
            let headers = [("authorization", &**bearer), ("if-match", &*tag)];
            service
                .send(
                    "PATCH",
                    path,
                    &headers,
                    Some(json!({"enriched_data": {"weight": 500}})),
                )
                .await
        }
    };
    let tag = service.get(&ana, &path).await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let changed = patch(tag.clone()).await;
    assert_eq!(
        (changed.status, &changed.body["enriched_data"]["weight"]),
        (200, &json!(500)),
        "{}",
        changed.body
    );
    assert_eq!(patch(tag).await.status, 412);
    assert_eq!(patch("broken".to_owned()).await.status, 400);

    let merged = service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{path}/merge"),
            json!({"dfids": [two]}),
        )
        .await;
    assert_eq!(
        (
            &merged["aliases"],
            merged["identifiers"].as_array().unwrap().len()
        ),
        (&json!([two]), 2),
        "{merged}"
    );
    let moved = service.get(&ana, &format!("/api/items/{two}")).await;
    assert_eq!(
        (moved.status, moved.headers["location"].to_str().unwrap()),
        (308, &*path)
    );
    let found = service.get(&ana, "/api/items/search?value=A-2").await.body;
    assert_eq!(
        found["data"][0]["dfid"],
        json!(one),
        "the merged item's identifier leads to the one that stays: {found}"
    );
    service
        .expect(
            409,
            &ana,
            "PATCH",
            &format!("/api/items/{two}"),
            json!({"enriched_data": {}}),
        )
        .await;

    let part = json!({"identifiers": [merged["identifiers"][1]["key"].clone()]});
    let identifier =
        json!({"key": "ear_tag", "value": "A-2", "namespace": merged["identifiers"][1]["namespace"]});
    service
        .expect(
            422,
            &ana,
            "POST",
            &format!("{path}/split"),
            json!({"parts": [part]}),
        )
        .await;
    let split = service
        .expect(
            201,
            &ana,
            "POST",
            &format!("{path}/split"),
            json!({"parts": [{"identifiers": [identifier]}]}),
        )
        .await;
    let third = format!("/api/items/{}", split["dfids"][0].as_str().unwrap());
    assert_eq!(
        service.get(&ana, &third).await.body["identifiers"][0]["value"],
        "A-2"
    );
    assert_eq!(
        service.get(&ana, &path).await.body["identifiers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let share = format!("{third}/share");
    assert_eq!(service.get(&bia, &third).await.status, 404);
    service
        .expect(422, &ana, "POST", &share, json!({"username": "nobody"}))
        .await;
    service
        .expect(404, &bia, "POST", &share, json!({"username": "ana"}))
        .await;
    service
        .expect(201, &ana, "POST", &share, json!({"username": "bia"}))
        .await;
    assert_eq!(service.get(&bia, &third).await.status, 200);
    assert_eq!(
        service
            .get(&bia, "/api/items?shared=true&with_total=true")
            .await
            .body["total"],
        1
    );
    service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{third}/deprecate"),
            json!({"reason": "sold"}),
        )
        .await;
    assert_eq!(service.get(&bia, &third).await.body["status"], "deprecated");
    service
        .expect(409, &ana, "POST", &format!("{third}/deprecate"), json!({}))
        .await;
}

pub async fn nobody_grants_what_they_do_not_hold(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("caio").await,
    );
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "admin").await;
    service.join(&ana, &circuit, (&caio, "caio"), "member").await;
    let roles = format!("{circuit}/roles");
    let role = |name: &str, permissions: Value| json!({"name": name, "permissions": permissions});
    service
        .expect(403, &caio, "POST", &roles, role("own", json!(["push"])))
        .await;
    service
        .expect(403, &bia, "POST", &roles, role("eraser", json!(["delete"])))
        .await;
    service
        .expect(201, &ana, "POST", &roles, role("eraser", json!(["delete"])))
        .await;
    service
        .expect(409, &ana, "POST", &roles, role("eraser", json!(["delete"])))
        .await;
    service
        .expect(
            201,
            &bia,
            "POST",
            &roles,
            role("packer", json!(["push", "invite"])),
        )
        .await;
    let member = format!("{circuit}/members/{}", caio.user_id);
    service
        .expect(403, &bia, "PUT", &member, json!({"role": "eraser"}))
        .await;
    service
        .expect(403, &ana, "PUT", &member, json!({"role": "owner"}))
        .await;
    service
        .expect(422, &bia, "PUT", &member, json!({"role": "absent"}))
        .await;
    let packer = service
        .expect(200, &bia, "PUT", &member, json!({"role": "packer"}))
        .await;
    assert_eq!(packer["permissions"], json!(["push", "invite"]));
    service
        .expect(
            403,
            &bia,
            "PUT",
            &format!("{roles}/packer"),
            json!({"permissions": ["delete"]}),
        )
        .await;
    service
        .expect(409, &bia, "DELETE", &format!("{roles}/packer"), Value::Null)
        .await;
    service
        .expect(
            409,
            &ana,
            "PUT",
            &format!("{roles}/viewer"),
            json!({"permissions": ["push"]}),
        )
        .await;
    // A packer invites only to what a packer may do.
    service.person("davi").await;
    let invite = |role: &str| json!({"username": "davi", "role": role});
    service
        .expect(
            403,
            &caio,
            "POST",
            &format!("{circuit}/invitations"),
            invite("admin"),
        )
        .await;
    service
        .expect(
            201,
            &caio,
            "POST",
            &format!("{circuit}/invitations"),
            invite("packer"),
        )
        .await;
    // Nobody removes or demotes the owner; an admin cannot touch who holds more.
    let owner = format!("{circuit}/members/{}", ana.user_id);
    service.expect(409, &bia, "DELETE", &owner, Value::Null).await;
    service
        .expect(409, &bia, "PUT", &owner, json!({"role": "viewer"}))
        .await;
    service
        .expect(200, &ana, "PUT", &member, json!({"role": "eraser"}))
        .await;
    service.expect(403, &bia, "DELETE", &member, Value::Null).await;
    service
        .expect(403, &bia, "PATCH", &circuit, json!({"name": "Mine"}))
        .await;
    service.expect(204, &caio, "DELETE", &member, Value::Null).await;
    service.expect(404, &caio, "GET", &circuit, Value::Null).await;
    service
        .expect(204, &ana, "DELETE", &format!("{roles}/eraser"), Value::Null)
        .await;
}

pub async fn invitations_and_join_requests_are_decided_once(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("caio").await,
    );
    let circuit = service.circuit(&ana, json!({"public": {"enabled": true}})).await;
    let invite = format!("{circuit}/invitations");
    let body = json!({"username": "bia", "role": "member"});
    let made = service.expect(201, &ana, "POST", &invite, body.clone()).await;
    service.expect(409, &ana, "POST", &invite, body.clone()).await;
    let own = format!("/api/invitations/{}", text(&made, "id"));
    assert_eq!(
        service.get(&bia, "/api/invitations").await.body["data"][0]["id"],
        made["id"]
    );
    assert_eq!(
        service.get(&caio, "/api/invitations").await.body["data"],
        json!([])
    );
    service
        .expect(404, &caio, "POST", &format!("{own}/accept"), Value::Null)
        .await;
    service.expect(404, &bia, "GET", &circuit, Value::Null).await;
    let accepted = service
        .expect(200, &bia, "POST", &format!("{own}/accept"), Value::Null)
        .await;
    assert_eq!(accepted["state"], "accepted");
    service.expect(200, &bia, "GET", &circuit, Value::Null).await;
    let twice = service
        .send_as(&bia, "POST", &format!("{own}/decline"), Value::Null)
        .await;
    assert!(matches!(twice.status, 404 | 409), "{}", twice.body);
    service.expect(409, &ana, "POST", &invite, body).await;

    let made = service
        .expect(
            201,
            &ana,
            "POST",
            &invite,
            json!({"username": "caio", "role": "viewer"}),
        )
        .await;
    service
        .expect(
            204,
            &ana,
            "DELETE",
            &format!("{invite}/{}", text(&made, "id")),
            Value::Null,
        )
        .await;
    let late = service
        .send_as(
            &caio,
            "POST",
            &format!("/api/invitations/{}/accept", text(&made, "id")),
            Value::Null,
        )
        .await;
    assert!(matches!(late.status, 404 | 409), "{}", late.body);
    let made = service
        .expect(
            201,
            &ana,
            "POST",
            &invite,
            json!({"username": "caio", "role": "viewer"}),
        )
        .await;
    service.clock.pass(Duration::from_secs(15 * 24 * 3600));
    let caio = service.sign_in("caio", crate::fixture::PASSWORD).await;
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    let expired = service
        .send_as(
            &caio,
            "POST",
            &format!("/api/invitations/{}/accept", text(&made, "id")),
            Value::Null,
        )
        .await;
    assert_eq!(expired.status, 409, "{}", expired.body);

    let requests = format!("{circuit}/join-requests");
    let hidden = service.circuit(&ana, json!({})).await;
    service
        .expect(404, &caio, "POST", &format!("{hidden}/join-requests"), json!({}))
        .await;
    let asked = service
        .expect(201, &caio, "POST", &requests, json!({"message": "please"}))
        .await;
    service.expect(409, &caio, "POST", &requests, json!({})).await;
    service.expect(404, &caio, "GET", &requests, Value::Null).await;
    let bia = service.sign_in("bia", crate::fixture::PASSWORD).await;
    service.expect(403, &bia, "GET", &requests, Value::Null).await;
    let path = format!("{requests}/{}", text(&asked, "id"));
    service
        .expect(
            403,
            &bia,
            "POST",
            &format!("{path}/approve"),
            json!({"role": "viewer"}),
        )
        .await;
    let approved = service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{path}/approve"),
            json!({"role": "viewer"}),
        )
        .await;
    assert_eq!(approved["state"], "approved");
    service
        .expect(409, &ana, "POST", &format!("{path}/reject"), Value::Null)
        .await;
    service.expect(200, &caio, "GET", &circuit, Value::Null).await;
    assert_eq!(
        service.get(&caio, "/api/join-requests").await.body["data"][0]["state"],
        "approved"
    );
}

pub async fn an_archived_circuit_takes_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let dfid = service.pushed(&ana, &circuit, "A-1").await;
    let local = service.local(&ana, json!([ear_tag("A-2")]), json!({})).await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "inactive"}))
        .await;
    assert_eq!(service.push(&ana, &circuit, &local).await.status, 409);
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "active"}))
        .await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"status": "archived"}))
        .await;
    assert_eq!(service.push(&ana, &circuit, &local).await.status, 409);
    service
        .expect(
            409,
            &ana,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": dfid}),
        )
        .await;
    service
        .expect(409, &ana, "PATCH", &circuit, json!({"status": "active"}))
        .await;
    assert_eq!(
        service
            .get(&ana, "/api/circuits?status=archived&with_total=true")
            .await
            .body["total"],
        1
    );
    assert_eq!(
        service.get(&ana, &format!("{circuit}/items")).await.status,
        200,
        "what was there can be read"
    );
}

pub async fn a_public_circuit_shows_itself_when_it_says_so(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let slug = circuit.trim_start_matches("/api/circuits/").replace('-', "");
    let public = format!("/api/public/circuits/{slug}");
    let absent = service
        .send(
            "GET",
            "/api/public/circuits/00000000000000000000000000000000",
            &[],
            None,
        )
        .await;
    let hidden = service.send("GET", &public, &[], None).await;
    assert_eq!(
        (hidden.status, without_ids(hidden.body)),
        (404, without_ids(absent.body))
    );
    let (shown, kept) = (
        service.pushed(&ana, &circuit, "A-1").await,
        service.pushed(&ana, &circuit, "A-2").await,
    );
    service
        .expect(
            204,
            &ana,
            "PUT",
            &format!("{circuit}/items/{shown}/published"),
            json!({"published": true}),
        )
        .await;
    let soon = "2027-01-15T09:00:00Z";
    let set = json!({"public": {"enabled": true, "publish_at": soon, "title": "Herd"}, "public_password": "open sesame 1"});
    service.expect(200, &ana, "PATCH", &circuit, set).await;
    assert_eq!(
        service.send("GET", &public, &[], None).await.status,
        404,
        "not before its time"
    );
    service.clock.pass(Duration::from_secs(3600));
    assert_eq!(service.send("GET", &public, &[], None).await.status, 401);
    assert_eq!(
        service
            .send("GET", &public, &[("x-access-password", "wrong password")], None)
            .await
            .status,
        401
    );
    let seen = service
        .send("GET", &public, &[("x-access-password", "open sesame 1")], None)
        .await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let dfids: Vec<_> = seen.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| text(item, "dfid"))
        .collect();
    assert_eq!(dfids, [shown], "published ones only, not {kept}");
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    service
        .expect(200, &ana, "PATCH", &circuit, json!({"public_password": ""}))
        .await;
    assert_eq!(service.send("GET", &public, &[], None).await.status, 200);
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &circuit,
            json!({"public": {"enabled": false}}),
        )
        .await;
    assert_eq!(service.send("GET", &public, &[], None).await.status, 404);
}

pub async fn bad_input_changes_nothing(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let bearer = format!("Bearer {}", ana.token);
    let headers = [("authorization", &*bearer)];
    let raw = |method: &'static str, path: &'static str, body: Vec<u8>| {
        let (service, headers) = (&service, &headers);
        async move {
            service
                .send_bytes([127, 0, 0, 1].into(), method, path, headers, body)
                .await
        }
    };
    let local = "/api/items/local";
    let deep = format!(
        "{{\"enriched_data\": {}1{}}}",
        "{\"a\":".repeat(200),
        "}".repeat(200)
    );
    let bodies: [(Vec<u8>, u16, &str); 11] = [
        (b"{\"identifiers\": [".to_vec(), 400, ""),
        (Vec::new(), 400, ""),
        (b"{\"local_id\": \"\xff\xfe\"}".to_vec(), 400, ""),
        (b"{\"local_id\": 7}".to_vec(), 422, "local_id"),
        (b"[]".to_vec(), 422, ""),
        (b"{\"owner\": \"me\"}".to_vec(), 422, "owner"),
        (
            b"{\"identifiers\": [{\"key\": \"k\", \"value\": \"v\", \"verified\": true}]}".to_vec(),
            422,
            "identifiers[0].verified",
        ),
        (
            b"{\"identifiers\": [{\"key\": \"gtin\", \"value\": \"7891000315508\", \"registry\": \"GTIN\"}]}"
                .to_vec(),
            422,
            "identifiers[0].value",
        ),
        (b"{\"enriched_data\": []}".to_vec(), 422, "enriched_data"),
        (
            format!("{{\"local_id\": \"{}\"}}", "x".repeat(10 << 20)).into_bytes(),
            413,
            "",
        ),
        (deep.into_bytes(), 400, ""),
    ];
    for (body, status, field) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = raw("POST", local, body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.body);
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{shown}"
        );
        if !field.is_empty() {
            assert_eq!(errors(&answer.body, "field"), [field], "{shown}: {}", answer.body);
        }
    }
    let queries = [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=%21%21",
        "cursor=AAAA",
        "offset=10001",
        "status=lost",
        "colour=red",
        "with_total=perhaps",
    ];
    for query in queries {
        let answer = service.get(&ana, &format!("{local}?{query}")).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{query}: {} {}",
            answer.status,
            answer.body
        );
        let field = query.split('=').next().unwrap();
        assert_eq!(errors(&answer.body, "field"), [field], "{}", answer.body);
    }
    for path in [
        "/api/items/DFID-20260101-0000000000-00",
        "/api/items/x",
        "/api/circuits/x",
        "/api/items/%ff",
    ] {
        let answer = service.get(&ana, path).await;
        assert!(
            matches!(answer.status, 400 | 404),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    for path in [local, "/api/items", "/api/circuits"] {
        assert_eq!(
            service.get(&ana, &format!("{path}?with_total=true")).await.body["total"],
            0,
            "{path}"
        );
    }
}
