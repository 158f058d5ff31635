//! Local items and items: merged, unmerged, enriched, split, shared.

use db::Engine;
use serde_json::{Value, json};

use crate::{
    farm::{ear_tag, gtin},
    fixture::Service,
};

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
