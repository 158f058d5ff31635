//! Events about several items: one event, found from each of them, by those who may read that item.

use db::{Engine, Scope};
use serde_json::{Value, json};

use crate::{
    calls::{get, post, record, workspace},
    fixture::{Person, Service},
};

db::statements! {
    /// Gives a workspace the right to read an item.
    GRANT = "test.grant_several",
        "insert into item_grants (workspace_id, dfid, owner_id, source, granted_by, created_at)
         select cast($1 as {uuid}), dfid, workspace_id, 'share', created_by, created_at from items where dfid = $2";
    /// What an event of several items left behind.
    KEPT = "test.event_items", "select count(*) as n from event_items where workspace_id = $1";
}

/// A circuit, and this many items pushed into it.
async fn pushed(service: &Service, owner: &Person, count: usize) -> (String, Vec<String>) {
    let circuit = post(service, owner, "/api/circuits", json!({"name": "Coffee"})).await;
    let circuit = circuit.body["id"].as_str().unwrap().to_owned();
    let mut dfids = Vec::new();
    for number in 0..count {
        let local = json!({"local_id": format!("L-{number}"), "identifiers": [{"key": "lot", "value": number.to_string()}]});
        assert_eq!(post(service, owner, "/api/items/local", local).await.status, 201);
        let push = json!({"local_id": format!("L-{number}")});
        let path = format!("/api/circuits/{circuit}/push-local");
        let made = post(service, owner, &path, push).await;
        assert_eq!(made.status, 201, "{}", made.body);
        dfids.push(made.body["dfid"].as_str().unwrap().to_owned());
    }
    (circuit, dfids)
}

/// The events of a list: id, the item it is seen through, the items it shows.
async fn seen(service: &Service, person: &Person, path: &str) -> Vec<(String, Value, Value)> {
    let list = get(service, person, path).await;
    assert_eq!(list.status, 200, "{path}: {}", list.body);
    let events = list.body["data"].as_array().unwrap().iter();
    events
        .map(|one| {
            (
                one["id"].as_str().unwrap().to_owned(),
                one["dfid"].clone(),
                one["dfids"].clone(),
            )
        })
        .collect()
}

pub async fn an_event_about_several_items_is_one_and_found_from_each(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let (_, dfids) = pushed(&service, &ana, 3).await;
    let [a, b, c] = &dfids[..] else { panic!() };
    let later = json!({"event_type": "weighed", "dfid": b, "occurred_at": "2026-01-03T00:00:00Z"});
    let later = record(&service, &ana, later).await["id"].clone();
    // The first of the list stands as the item; one that is named twice counts once.
    let body = json!({
        "event_type": "shipped", "dfid": a, "dfids": [b, a, c, b], "occurred_at": "2026-01-02T00:00:00Z",
        "client_event_id": "truck-7",
    });
    let made = record(&service, &ana, body.clone()).await;
    assert_eq!((&made["dfid"], &made["dfids"]), (&json!(a), &json!([a, b, c])));
    let id = made["id"].as_str().unwrap().to_owned();
    let again = post(&service, &ana, "/api/events", body).await;
    assert_eq!((again.status, &again.body["id"]), (200, &made["id"]));
    assert_eq!(again.body["dfids"], json!([a, b, c]));
    let earlier = json!({"event_type": "born", "dfids": [b], "occurred_at": "2026-01-01T00:00:00Z"});
    let earlier = record(&service, &ana, earlier).await;
    assert_eq!((&earlier["dfid"], &earlier["dfids"]), (&json!(b), &json!([b])));

    for dfid in &dfids {
        let shipped = |events: Vec<(String, Value, Value)>| {
            let events: Vec<_> = events.into_iter().filter(|event| event.0 == id).collect();
            assert_eq!(events, [(id.clone(), json!(dfid), json!(dfids))]);
        };
        shipped(seen(&service, &ana, &format!("/api/items/{dfid}/timeline")).await);
        shipped(seen(&service, &ana, &format!("/api/events?dfid={dfid}")).await);
        shipped(
            seen(
                &service,
                &ana,
                &format!("/api/events?dfid={dfid}&sort=asc&type=shipped"),
            )
            .await,
        );
        let count = format!("/api/events?dfid={dfid}&type=shipped&with_total=true");
        assert_eq!(get(&service, &ana, &count).await.body["total"], 1);
    }
    assert_eq!(seen(&service, &ana, "/api/events?type=shipped").await.len(), 1);

    // Both halves of a list are in one order, page by page.
    let path = format!("/api/items/{b}/timeline");
    let whole: Vec<_> = seen(&service, &ana, &path)
        .await
        .into_iter()
        .map(|event| json!(event.0))
        .collect();
    let at = |wanted: &Value| whole.iter().position(|id| id == wanted).unwrap();
    assert!(at(&earlier["id"]) < at(&made["id"]) && at(&made["id"]) < at(&later));
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&service, &ana, &format!("{path}?limit=1{cursor}")).await;
        pages.extend(
            page.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].clone()),
        );
        match page.body["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, whole);
}

pub async fn each_reader_sees_an_event_through_the_items_it_may_read(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let (_, dfids) = pushed(&service, &ana, 3).await;
    let [a, b, c] = &dfids[..] else { panic!() };
    let event = |visibility: &str| json!({"event_type": "shipped", "visibility": visibility, "dfids": dfids});
    let shown = record(&service, &ana, event("public")).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let hidden = record(&service, &ana, event("private")).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/events/{shown}");
    assert_eq!(get(&service, &bob, &path).await.status, 404);
    let granted = db::args![workspace(&bob).uuid(), b];
    service
        .db
        .execute(&Scope::system(), GRANT, granted)
        .await
        .unwrap();

    // Through the one item that bob may read, and with no word of the others.
    let timeline = format!("/api/items/{b}/timeline");
    assert_eq!(
        seen(&service, &bob, &timeline).await,
        [(shown.clone(), json!(b), json!([b]))]
    );
    let list = format!("/api/events?dfid={b}");
    assert_eq!(
        seen(&service, &bob, &list).await,
        [(shown.clone(), json!(b), json!([b]))]
    );
    let one = get(&service, &bob, &path).await;
    assert_eq!(
        (one.status, &one.body["dfid"], &one.body["dfids"]),
        (200, &json!(b), &json!([b]))
    );
    assert_eq!(
        get(&service, &bob, &format!("/api/events/{hidden}")).await.status,
        404
    );
    for other in [a, c] {
        assert_eq!(
            get(&service, &bob, &format!("/api/items/{other}/timeline"))
                .await
                .status,
            404
        );
        assert!(
            seen(&service, &bob, &format!("/api/events?dfid={other}"))
                .await
                .is_empty()
        );
    }

    // Bob may record about what he may read, and about nothing else; a refusal leaves nothing.
    let made = post(
        &service,
        &bob,
        "/api/events",
        json!({"event_type": "weighed", "dfids": [b, c]}),
    )
    .await;
    assert_eq!(made.status, 404, "{}", made.body);
    let bulk = json!({"events": [{"event_type": "weighed", "dfids": [c, b]}]});
    assert_eq!(post(&service, &bob, "/api/events/bulk", bulk).await.status, 404);
    assert!(seen(&service, &bob, "/api/events").await.is_empty());
    let bob_workspace = db::args![workspace(&bob).uuid()];
    let kept = service
        .db
        .one(&Scope::system(), KEPT, bob_workspace)
        .await
        .unwrap();
    assert_eq!(kept.get::<i64>("n").unwrap(), 0);

    let many: Vec<&String> = std::iter::repeat_n(a, 1_001).collect();
    let refused = post(
        &service,
        &ana,
        "/api/events",
        json!({"event_type": "x", "dfids": many}),
    )
    .await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["field"]),
        (422, &json!("dfids"))
    );

    // Erased, it is gone from every item.
    let erased = service.as_bearer(&ana.token, "DELETE", &path, None).await;
    assert_eq!(erased.status, 204);
    assert!(seen(&service, &bob, &timeline).await.is_empty());
}
