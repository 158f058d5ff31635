//! Which item a push, a DFID or an identifier leads to after merges, splits, deprecation and pushes into several circuits.

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::{Person, Service},
};

async fn push_new(service: &Service, who: &Person, circuit: &str, content: (Value, Value)) -> String {
    let local = service.local(who, content.0, content.1).await;
    let pushed = service.push(who, circuit, &local).await;
    assert!(matches!(pushed.status, 200 | 201), "{}", pushed.body);
    text(&pushed.body, "dfid")
}

pub async fn an_equal_push_finds_what_its_item_was_merged_into(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service
        .circuit(&ana, json!({"rules": {"fingerprinting": true}}))
        .await;
    let content = |tag: &str| (json!([ear_tag(tag)]), json!({"weight": 400}));
    let mut dfids = Vec::new();
    for tag in ["A-1", "A-2", "A-3"] {
        dfids.push(push_new(&service, &ana, &circuit, content(tag)).await);
    }
    for (into, other) in [(1, 0), (2, 1)] {
        let path = format!("/api/items/{}/merge", dfids[into]);
        service
            .expect(200, &ana, "POST", &path, json!({"dfids": [dfids[other]]}))
            .await;
    }
    assert_eq!(
        push_new(&service, &ana, &circuit, content("A-1")).await,
        dfids[2],
        "through both merges"
    );
    let path = format!("/api/items/{}/deprecate", dfids[2]);
    service.expect(200, &ana, "POST", &path, json!({})).await;
    let new = push_new(&service, &ana, &circuit, content("A-1")).await;
    assert!(
        !dfids.contains(&new),
        "what was deprecated does not come back: {new}"
    );
    assert_eq!(push_new(&service, &ana, &circuit, content("A-1")).await, new);
}

pub async fn a_deprecated_item_leaves_its_identifiers_to_another(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let content = || (json!([gtin(1)]), json!({}));
    let old = push_new(&service, &ana, &circuit, content()).await;
    let path = format!("/api/items/{old}");
    service
        .expect(200, &ana, "POST", &format!("{path}/deprecate"), json!({}))
        .await;
    let bias = push_new(&service, &bia, &circuit, content()).await;
    assert_ne!(bias, old, "another's item is not tied to one that is out of use");
    let item = json!({"dfid": bias});
    service
        .expect(201, &ana, "POST", &format!("{circuit}/pull"), item)
        .await;
    let own = service.circuit(&ana, json!({})).await;
    let anas = push_new(&service, &ana, &own, content()).await;
    assert!(![&old, &bias].contains(&&anas));
    let item = service.get(&ana, &path).await.body;
    let value = text(&item["identifiers"][0], "value");
    let found = service
        .get(&ana, &format!("/api/items/search?value={value}&with_total=true"))
        .await;
    assert_eq!(
        found.body["total"], 3,
        "the old one is still found: {}",
        found.body
    );
}

pub async fn who_reached_a_merged_item_reaches_the_one_that_stays(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let elsewhere = service.circuit(&ana, json!({})).await;
    let old = push_new(
        &service,
        &ana,
        &circuit,
        (json!([gtin(1)]), json!({"weight": 400})),
    )
    .await;
    let stays = push_new(
        &service,
        &ana,
        &elsewhere,
        (json!([gtin(2)]), json!({"farm": "Boa"})),
    )
    .await;
    service
        .expect(
            201,
            &bia,
            "POST",
            &format!("{circuit}/pull"),
            json!({"dfid": old}),
        )
        .await;
    let path = format!("/api/items/{stays}");
    let merged = service
        .expect(
            200,
            &ana,
            "POST",
            &format!("{path}/merge"),
            json!({"dfids": [old]}),
        )
        .await;
    let history = service.get(&ana, &format!("{path}/history")).await.body;
    assert_eq!(
        history["data"].as_array().unwrap().last().unwrap()["version"],
        merged["version"],
        "one change, one version: {history}"
    );
    let moved = service.get(&bia, &format!("/api/items/{old}")).await;
    assert_eq!(
        (moved.status, moved.headers["location"].to_str().unwrap()),
        (308, &*path)
    );
    assert_eq!(
        service.get(&bia, &path).await.status,
        200,
        "what was pulled stays readable"
    );
    let list = service
        .get(&bia, &format!("{circuit}/items?with_total=true"))
        .await
        .body;
    assert_eq!(
        (&list["total"], &list["data"][0]["dfid"]),
        (&json!(1), &json!(stays)),
        "{list}"
    );
    let added = push_new(
        &service,
        &bia,
        &circuit,
        (json!([gtin(1)]), json!({"vaccine": "2026"})),
    )
    .await;
    assert_eq!(added, stays);
    let item = service.get(&bia, &path).await.body;
    assert_eq!(
        item["enriched_data"],
        json!({"weight": 400, "farm": "Boa", "vaccine": "2026"})
    );
}

pub async fn an_identifier_split_off_leads_away_from_the_item(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let both = push_new(&service, &ana, &circuit, (json!([gtin(1), gtin(2)]), json!({}))).await;
    let identifiers = service.get(&ana, &format!("/api/items/{both}")).await.body["identifiers"].clone();
    let mut part = identifiers[1].clone();
    part.as_object_mut().unwrap().remove("verified");
    let parts = json!({"parts": [{"identifiers": [part]}]});
    let split = service
        .expect(201, &ana, "POST", &format!("/api/items/{both}/split"), parts)
        .await;
    let pushed = push_new(&service, &bia, &circuit, (json!([gtin(2)]), json!({"x": 1}))).await;
    assert_ne!(pushed, both, "the part does not lie in the circuit: {split}");
    assert_eq!(
        push_new(&service, &bia, &circuit, (json!([gtin(1)]), json!({}))).await,
        both
    );
}

pub async fn anothers_item_is_not_brought_into_a_second_circuit(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = service.trio().await;
    let shared = service.circuit(&ana, json!({})).await;
    service.join(&ana, &shared, (&bia, "bia"), "member").await;
    let own = service.circuit(&bia, json!({})).await;
    service.join(&bia, &own, (&caio, "caio"), "member").await;
    let anas = push_new(
        &service,
        &ana,
        &shared,
        (json!([gtin(1)]), json!({"weight": 400})),
    )
    .await;
    let local = service.local(&bia, json!([gtin(1)]), json!({})).await;
    assert_eq!(
        service.push(&bia, &shared, &local).await.body["dfid"],
        json!(anas)
    );
    let refused = service.push(&bia, &own, &local).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(
        service
            .get(&caio, &format!("{own}/items?with_total=true"))
            .await
            .body["total"],
        0
    );
    let pull = json!({"dfid": anas});
    service
        .expect(404, &caio, "POST", &format!("{own}/pull"), pull)
        .await;
}

pub async fn pushing_again_with_more_adds_it(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let local = service
        .local(&ana, json!([gtin(1)]), json!({"weight": 400}))
        .await;
    let dfid = text(&service.push(&ana, &circuit, &local).await.body, "dfid");
    let item = format!("/api/items/{dfid}");
    service
        .expect(
            200,
            &ana,
            "PATCH",
            &item,
            json!({"enriched_data": {"weight": 500}}),
        )
        .await;
    let push = format!("{circuit}/push-local");
    for _ in 0..2 {
        let body = json!({"local_id": local, "enriched_data": {"colour": "red"}, "identifiers": [gtin(2)]});
        let again = service.expect(200, &ana, "POST", &push, body).await;
        assert_eq!(
            (&again["dfid"], &again["status"]),
            (&json!(dfid), &json!("existing_item_enriched"))
        );
    }
    let seen = service.get(&ana, &item).await.body;
    assert_eq!(
        (
            &seen["enriched_data"],
            seen["identifiers"].as_array().unwrap().len()
        ),
        (&json!({"weight": 500, "colour": "red"}), 2),
        "what is not said again is left alone: {seen}"
    );
    assert_eq!(seen["version"], 3, "the second time adds nothing");
    let other = service.local(&ana, json!([gtin(2)]), json!({})).await;
    assert_eq!(
        service.push(&ana, &circuit, &other).await.body["dfid"],
        json!(dfid)
    );
}

pub async fn an_item_without_identifiers_waits_for_some(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let local = service.local(&ana, json!([]), json!({"weight": 400})).await;
    let refused = service.push(&ana, &circuit, &local).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let id = text(&refused.body, "pending_item_id");
    let pending = service.get(&ana, "/api/pending-items?with_total=true").await.body;
    assert_eq!(
        (
            &pending["total"],
            &pending["data"][0]["id"],
            &pending["data"][0]["reason"]
        ),
        (&json!(1), &json!(id), &json!("no_identifiers")),
        "{pending}"
    );
    assert_eq!(
        pending["data"][0]["suggested_actions"],
        json!(["add_identifier", "reject"])
    );
    let modify = json!({"resolution": "modify", "identifiers": [ear_tag("A-1")]});
    let path = format!("/api/pending-items/{id}/resolve");
    service.expect(200, &ana, "POST", &path, modify).await;
    assert_eq!(service.push(&ana, &circuit, &local).await.status, 201);
}

pub async fn the_namespaces_are_there_from_the_start(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let list = service.get(&ana, "/api/namespaces").await.body;
    let names: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "name"))
        .collect();
    let known = [
        "algodao", "aves", "bovino", "cafe", "generic", "leite", "milho", "soja", "suino",
    ];
    assert_eq!(names, known);
    let misshapen = names
        .iter()
        .find_map(|name| domain::namespace::validate("namespace", name));
    assert!(misshapen.is_none(), "{misshapen:?}");
    assert!(names.iter().any(|name| name == domain::namespace::GENERIC));
}

pub async fn one_conflict_makes_one_pending_item(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let own = service.circuit(&bia, json!({})).await;
    push_new(&service, &ana, &circuit, (json!([gtin(1)]), json!({}))).await;
    let bias = push_new(&service, &bia, &own, (json!([gtin(1)]), json!({}))).await;
    let push = format!("{circuit}/push");
    for _ in 0..2 {
        let refused = service
            .expect(409, &bia, "POST", &push, json!({"dfid": bias}))
            .await;
        assert_eq!(refused["code"], "conflict_detected", "{refused}");
    }
    let local = service.local(&bia, json!([gtin(1)]), json!({})).await;
    let batch = json!({"items": [{"local_id": local}], "atomic": true});
    let refused = service
        .expect(409, &bia, "POST", &format!("{circuit}/push-batch"), batch)
        .await;
    assert_eq!(
        refused.get("pending_item_id"),
        None,
        "it was undone with the rest: {refused}"
    );
    let list = service.get(&bia, "/api/pending-items?with_total=true").await.body;
    assert_eq!(list["total"], 1, "{list}");
    // Whose item it is, is nobody's business in the circuit.
    let activity = service
        .get(&ana, &format!("{circuit}/activity"))
        .await
        .body
        .to_string();
    assert!(!activity.contains(&bias), "{activity}");
}

pub async fn identifiers_added_later_are_known_in_the_items_circuits(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let named = json!({"default_namespace": "bovino", "rules": {"auto_apply_namespace": true}});
    let (plain, cattle) = (
        service.circuit(&ana, json!({})).await,
        service.circuit(&ana, named).await,
    );
    for circuit in [&plain, &cattle] {
        service.join(&ana, circuit, (&bia, "bia"), "member").await;
    }
    for (circuit, number) in [(&plain, 1), (&cattle, 11)] {
        let content = (json!([gtin(number)]), json!({}));
        let dfid = push_new(&service, &ana, circuit, content).await;
        let more = json!({"identifiers": [gtin(number + 1)]});
        let item = format!("/api/items/{dfid}");
        service.expect(200, &ana, "PATCH", &item, more).await;
        for who in [&bia, &ana] {
            let content = (json!([gtin(number + 1)]), json!({"x": number}));
            assert_eq!(push_new(&service, who, circuit, content).await, dfid);
        }
    }
    // What a push adds is known in the item's other circuits, too.
    let elsewhere = service.circuit(&ana, json!({})).await;
    let content = (json!([gtin(1)]), json!({}));
    let dfid = push_new(&service, &ana, &elsewhere, content).await;
    let content = (json!([gtin(1), gtin(3)]), json!({}));
    assert_eq!(push_new(&service, &ana, &elsewhere, content).await, dfid);
    let content = (json!([gtin(3)]), json!({}));
    assert_eq!(push_new(&service, &bia, &plain, content).await, dfid);
}

pub async fn an_identifier_of_another_item_is_not_added(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let anas = push_new(&service, &ana, &circuit, (json!([gtin(1)]), json!({}))).await;
    let bias = push_new(&service, &bia, &circuit, (json!([gtin(2)]), json!({}))).await;
    let other = push_new(&service, &ana, &circuit, (json!([gtin(3)]), json!({}))).await;
    let item = format!("/api/items/{anas}");
    let before = service.get(&ana, &item).await.body;
    for (number, named) in [(2, None), (3, Some(&other))] {
        let more = json!({"identifiers": [gtin(number)], "enriched_data": {"x": 1}});
        let refused = service.expect(409, &ana, "PATCH", &item, more).await;
        let said = text(&refused, "detail");
        assert!(said.contains(&text(&gtin(number), "value")), "{said}");
        assert!(!said.contains(&bias), "whose it is, is not told: {said}");
        assert!(named.is_none_or(|dfid| said.contains(dfid)), "{said}");
    }
    assert_eq!(service.get(&ana, &item).await.body, before);
    let found = push_new(&service, &ana, &circuit, (json!([gtin(2)]), json!({}))).await;
    assert_eq!(found, bias);
}

pub async fn a_merged_items_identifiers_are_known_wherever_it_lies(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let (here, there) = (
        service.circuit(&ana, json!({})).await,
        service.circuit(&ana, json!({})).await,
    );
    for circuit in [&here, &there] {
        service.join(&ana, circuit, (&bia, "bia"), "member").await;
    }
    let old = push_new(&service, &ana, &here, (json!([gtin(1)]), json!({}))).await;
    let stays = push_new(&service, &ana, &there, (json!([gtin(2)]), json!({}))).await;
    let taken = push_new(&service, &bia, &there, (json!([gtin(3)]), json!({}))).await;
    let third = push_new(&service, &ana, &here, (json!([gtin(3)]), json!({}))).await;
    let path = format!("/api/items/{stays}/merge");
    let merge = json!({"dfids": [third]});
    let refused = service.expect(409, &ana, "POST", &path, merge).await;
    let said = text(&refused, "detail");
    assert!(said.contains(&text(&gtin(3), "value")), "{said}");
    assert!(!said.contains(&taken), "{said}");
    let merge = json!({"dfids": [old]});
    service.expect(200, &ana, "POST", &path, merge).await;
    for (circuit, number) in [(&here, 2), (&there, 1)] {
        let content = (json!([gtin(number)]), json!({}));
        assert_eq!(push_new(&service, &bia, circuit, content).await, stays);
    }
}

pub async fn who_reads_a_merged_item_reads_what_it_took_in(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia, caio) = service.trio().await;
    let circuit = service.circuit(&ana, json!({})).await;
    for (who, name) in [(&bia, "bia"), (&caio, "caio")] {
        service.join(&ana, &circuit, (who, name), "member").await;
    }
    let mut dfids = Vec::new();
    for number in [1, 2, 3] {
        let content = (json!([gtin(number)]), json!({}));
        dfids.push(push_new(&service, &ana, &circuit, content).await);
        let event = json!({"event_type": format!("weighed-{number}"), "dfid": dfids[number as usize - 1], "visibility": "circuit"});
        service.expect(201, &ana, "POST", "/api/events", event).await;
    }
    let pull = format!("{circuit}/pull");
    // Before: who could read the one that stays. After: who pulls it when the others are gone.
    let stays = dfids[2].clone();
    service
        .expect(201, &bia, "POST", &pull, json!({"dfid": stays}))
        .await;
    for (into, other) in [(1, 0), (2, 1)] {
        let path = format!("/api/items/{}/merge", dfids[into]);
        let merge = json!({"dfids": [dfids[other]]});
        service.expect(200, &ana, "POST", &path, merge).await;
    }
    service
        .expect(201, &caio, "POST", &pull, json!({"dfid": stays}))
        .await;
    let item = service.get(&ana, &format!("/api/items/{stays}")).await.body;
    assert_eq!(item["aliases"], json!([dfids[1], dfids[0]]), "{item}");
    for who in [&ana, &bia, &caio] {
        for merged in &dfids[..2] {
            let moved = service.get(who, &format!("/api/items/{merged}")).await;
            assert_eq!(
                (moved.status, moved.headers["location"].to_str().unwrap()),
                (308, &*format!("/api/items/{stays}")),
                "straight to the one that stays"
            );
            let timeline = service.get(who, &format!("/api/items/{merged}/timeline")).await;
            assert_eq!(timeline.status, 200, "{}", timeline.body);
        }
        for path in [
            format!("/api/items/{stays}/timeline"),
            format!("/api/events?dfid={stays}&sort=asc&with_total=true"),
        ] {
            let seen = service.get(who, &path).await.body;
            let types: Vec<_> = seen["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| text(event, "event_type"))
                .filter(|kind| kind.starts_with("weighed"))
                .collect();
            assert_eq!(types, ["weighed-1", "weighed-2", "weighed-3"], "{path}: {seen}");
            let total = seen["total"].as_u64();
            assert!(
                total.is_none_or(|total| total as usize == seen["data"].as_array().unwrap().len()),
                "{seen}"
            );
        }
    }
}
