//! Pushes that arrive together: each gets its own answer, whatever the others are.

use std::collections::BTreeSet;

use db::Engine;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    farm::{ear_tag, gtin, text},
    fixture::Service,
};

/// Two workspaces push at once: new items, the same local item several times, one that was pushed before, one whose
/// identifier is known, one that does not exist, and one into a circuit the pusher does not belong to.
pub async fn pushes_that_arrive_together_each_get_their_own_answer(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let circuit = service.circuit(&ana, json!({})).await;
    service.join(&ana, &circuit, (&bia, "bia"), "member").await;
    let private = service.circuit(&ana, json!({})).await;

    let known = service.local(&ana, json!([gtin(1)]), json!({})).await;
    let first = service.push(&ana, &circuit, &known).await;
    let (before, known) = (text(&first.body, "dfid"), known);
    let same = service.local(&bia, json!([gtin(1)]), json!({})).await;
    let mut new = Vec::new();
    for number in 0..12 {
        let who = if number % 2 == 0 { &ana } else { &bia };
        let identifiers = json!([ear_tag(&format!("tag {number}")), gtin(100 + number)]);
        new.push((who, service.local(who, identifiers, json!({"n": number})).await));
    }
    let twice = service.local(&ana, json!([ear_tag("twice")]), json!({})).await;

    let fresh = join_all(new.iter().map(|(who, local)| service.push(who, &circuit, local)));
    let doubled = join_all((0..6).map(|_| service.push(&ana, &circuit, &twice)));
    let ((fresh, doubled), others) = futures_util::join!(
        futures_util::future::join(fresh, doubled),
        join_all([
            service.push(&ana, &circuit, &known),
            service.push(&bia, &circuit, &same),
            service.push(&ana, &circuit, "no-such-item"),
            service.push(&bia, &private, &new[1].1),
        ])
    );

    let mut dfids = BTreeSet::from([before.clone()]);
    for ((who, local), pushed) in new.iter().zip(&fresh) {
        assert_eq!(
            (pushed.status, &pushed.body["status"]),
            (201, &json!("new_item_created")),
            "{}",
            pushed.body
        );
        let dfid = text(&pushed.body, "dfid");
        assert_eq!(pushed.body["local_id"], **local);
        let item = service.get(who, &format!("/api/items/{dfid}")).await.body;
        let kept = service.get(who, &format!("/api/items/local/{local}")).await.body;
        assert_eq!(
            item["enriched_data"], kept["enriched_data"],
            "the content of another push"
        );
        assert_eq!(
            (&kept["status"], &kept["dfid"]),
            (&json!("tokenized"), &json!(dfid))
        );
        dfids.insert(dfid);
    }
    assert_eq!(doubled.iter().filter(|one| one.status == 201).count(), 1);
    assert!(
        doubled
            .iter()
            .all(|one| one.body["dfid"] == doubled[0].body["dfid"])
    );
    dfids.insert(text(&doubled[0].body, "dfid"));
    assert_eq!(dfids.len(), 14);

    let [again, enriched, missing, stranger] = &others[..] else {
        unreachable!()
    };
    assert_eq!((again.status, &again.body["dfid"]), (200, &json!(before)));
    assert_eq!(
        (enriched.status, &enriched.body["dfid"]),
        (200, &json!(before)),
        "{}",
        enriched.body
    );
    assert_eq!(missing.status, 404);
    assert_eq!(stranger.status, 404);

    let lying = service
        .get(&ana, &format!("{circuit}/items?limit=100"))
        .await
        .body;
    let lying: BTreeSet<String> = lying["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| text(item, "dfid"))
        .collect();
    assert_eq!(lying, dfids, "each item lies in the circuit once");
    let operations = service
        .get(&ana, &format!("{circuit}/operations?limit=100"))
        .await
        .body;
    let made = operations["data"].as_array().unwrap().len();
    // One for each new item, and one for what bia's push added to ana's.
    assert_eq!(made, 14 + 1, "{operations}");
}

pub async fn what_is_done_in_common_is_counted_for_each(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let circuit = service.circuit(&ana, json!({})).await;
    let mut locals = Vec::new();
    for number in 0..4 {
        let identifiers = json!([ear_tag(&format!("tag {number}"))]);
        locals.push(service.local(&ana, identifiers, json!({})).await);
    }
    let pushed = join_all(locals.iter().map(|local| service.push(&ana, &circuit, local))).await;
    let records = service.isolation.records(4);
    for record in &records {
        assert_eq!(record.route, "/api/circuits/{circuit_id}/push-local");
        assert!(record.queries > 1 && record.rows > 0, "{record:?}");
    }
    let path = format!("/api/items/{}", text(&pushed[0].body, "dfid"));
    assert_eq!(service.get(&ana, &path).await.status, 200);
    let read = service.isolation.records(1).remove(0);
    assert_eq!(
        (read.route, read.queries > 0),
        ("/api/items/{dfid}", true),
        "{read:?}"
    );
}
