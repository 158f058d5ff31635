//! Recording events: once, in bulk, for an item without a global id, under a key.

use std::time::Duration;

use db::{Engine, Scope};
use serde_json::{Value, json};

use crate::{
    calls::{get, ids, post, record},
    fixture::{Person, Service},
};

db::statements! {
    /// Everything that counts as recorded.
    EVENTS = "test.events", "select count(*) as n from events where workspace_id = $1";
}

pub async fn the_same_event_twice_stays_one_and_lists_find_it(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let body = json!({
        "type": "harvest.done", "source": "scale-7", "visibility": "public", "metadata": {"kg": 12.5},
        "description": "North plot", "tags": ["b", "a", "a"], "user_id": "u-1", "project_id": "p-1",
        "occurred_at": "2027-01-15T07:00:00Z", "client_event_id": "c-1",
    });
    let first = post(&service, &ana, "/api/events", body.clone()).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(
        first.headers["location"],
        format!("/api/events/{}", first.body["id"].as_str().unwrap())
    );
    assert_eq!(
        first.body["data"],
        json!({"kg": 12.5, "description": "North plot"})
    );
    assert_eq!(first.body["tags"], json!(["a", "b"]));
    let again = post(&service, &ana, "/api/events", body.clone()).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    let other = post(&service, &bob, "/api/events", body).await;
    assert_eq!(other.status, 201, "another workspace's ids are its own");
    let second = record(
        &service,
        &ana,
        json!({"event_type": "note", "visibility": "public"}),
    )
    .await;
    let (one, two) = (first.body["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    assert_eq!(ids(&get(&service, &ana, "/api/events").await), [two, one]);
    assert_eq!(
        ids(&get(&service, &ana, "/api/events?sort=asc").await),
        [one, two]
    );
    for filter in [
        "type=harvest.done",
        "source=scale-7",
        "user=u-1",
        "project=p-1",
        "tag=a",
        "text=NORTH",
        "to=2027-01-15T07:00:01Z&from=2027-01-15T07:00:00Z",
    ] {
        let found = get(&service, &ana, &format!("/api/events?{filter}")).await;
        assert_eq!(ids(&found), [one], "{filter}");
    }
    let page = get(&service, &ana, "/api/events?limit=1&with_total=true").await;
    assert_eq!((ids(&page), &page.body["total"]), (vec![two], &json!(2)));
    let next = page.body["pagination"]["next_cursor"].as_str().unwrap();
    assert_eq!(
        ids(&get(&service, &ana, &format!("/api/events?limit=1&cursor={next}")).await),
        [one]
    );
    assert_eq!(
        get(&service, &bob, &format!("/api/events/{one}")).await.status,
        404
    );
}

pub async fn two_descriptions_of_an_event_must_agree(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let mut both = json!({"event_type": "note", "description": "x", "data": {"description": "x"}});
    record(&service, &ana, both.clone()).await;
    both["data"]["description"] = json!("y");
    let bulk = json!({"events": [{"event_type": "note"}, both]});
    for (path, body, field) in [
        ("/api/events", both, "description"),
        ("/api/events/bulk", bulk, "events[1].description"),
    ] {
        let refused = post(&service, &ana, path, body).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (422, &json!(field)),
            "neither text is dropped: {}",
            refused.body
        );
    }
}

pub async fn an_event_may_lie_as_far_as_dates_go(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let far = json!({"event_type": "note", "occurred_at": "9999-12-31T23:59:59Z", "visibility": "private"});
    let far = record(&service, &ana, far).await;
    let path = format!("/api/events/{}", far["id"].as_str().unwrap());
    let far = get(&service, &ana, &path).await.body;
    assert_eq!(far["occurred_at"], "9999-12-31T23:59:59Z");
}

pub async fn a_bulk_is_recorded_whole_or_not_at_all(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let bad = json!({"events": [{"event_type": "a"}, {"event_type": "not allowed"}, {"event_type": "c"}]});
    let refused = post(&service, &ana, "/api/events/bulk", bad).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["errors"][0]["field"], "events[1].event_type");
    let hidden =
        json!({"events": [{"event_type": "a"}, {"event_type": "b", "dfid": "DFID-20260301-0000000000-00"}]});
    assert!(matches!(
        post(&service, &ana, "/api/events/bulk", hidden).await.status,
        404 | 422
    ));
    let count = || async {
        let id: uuid::Uuid = ana.workspace_id.parse().unwrap();
        service
            .db
            .one(&Scope::system(), EVENTS, db::args![id])
            .await
            .unwrap()
            .get::<i64>("n")
            .unwrap()
    };
    assert_eq!(count().await, 0);
    let events: Vec<Value> = (0..1_000)
        .map(|n| json!({"event_type": "tick", "client_event_id": format!("t-{}", n / 2), "tags": ["bulk"]}))
        .collect();
    let made = post(&service, &ana, "/api/events/bulk", json!({"events": events})).await;
    assert_eq!(
        (made.status, &made.body["created"]),
        (201, &json!(500)),
        "{}",
        made.body["detail"]
    );
    assert_eq!(made.body["events"][0]["id"], made.body["events"][1]["id"]);
    assert_eq!(count().await, 500);
    let again = post(&service, &ana, "/api/events/bulk", json!({"events": events})).await;
    assert_eq!(
        (again.status, &again.body["created"], count().await),
        (201, &json!(0), 500)
    );
    let many: Vec<Value> = (0..1_001).map(|_| json!({"event_type": "tick"})).collect();
    assert_eq!(
        post(&service, &ana, "/api/events/bulk", json!({"events": many}))
            .await
            .status,
        422
    );
}

pub async fn local_events_wait_for_the_global_id(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let local = json!({"local_id": "L-9", "identifiers": [{"key": "lot", "value": "Z"}]});
    assert_eq!(post(&service, &ana, "/api/items/local", local).await.status, 201);
    let event = json!({"event_type": "planted", "visibility": "public", "data": {"rows": 4}, "occurred_at": "2026-01-01T00:00:00Z"});
    let path = "/api/items/local/L-9/events";
    assert_eq!(post(&service, &ana, path, event.clone()).await.status, 201);
    assert_eq!(post(&service, &bob, path, event.clone()).await.status, 404);
    let push = "/api/items/local/L-9/push-events";
    assert_eq!(post(&service, &ana, push, json!({})).await.status, 409);
    let circuit = post(&service, &ana, "/api/circuits", json!({"name": "C"}))
        .await
        .body;
    let pushed = post(
        &service,
        &ana,
        &format!("/api/circuits/{}/push-local", circuit["id"].as_str().unwrap()),
        json!({"local_id": "L-9"}),
    )
    .await;
    let dfid = pushed.body["dfid"].as_str().unwrap();
    let moved = post(&service, &ana, push, json!({})).await;
    assert_eq!(
        (moved.status, &moved.body["moved"]),
        (200, &json!(1)),
        "{}",
        moved.body
    );
    assert_eq!(moved.body["events"][0]["dfid"], dfid);
    assert_eq!(moved.body["events"][0]["data"], json!({"rows": 4}));
    assert_eq!(moved.body["events"][0]["occurred_at"], "2026-01-01T00:00:00Z");
    assert_eq!(
        post(&service, &ana, push, json!({})).await.body["moved"],
        0,
        "once"
    );
    let found = get(&service, &ana, &format!("/api/events?dfid={dfid}&type=planted")).await;
    assert_eq!(ids(&found).len(), 1);
}

pub async fn a_write_under_a_key_happens_once(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let send = |person: &Person, kind: &'static str| {
        let (service, token) = (&service, format!("Bearer {}", person.token));
        async move {
            let headers = [("authorization", token.as_str()), ("idempotency-key", "k-1")];
            service
                .send("POST", "/api/events", &headers, Some(json!({"event_type": kind})))
                .await
        }
    };
    assert_eq!(
        send(&ana, "not allowed").await.status,
        422,
        "a refusal is not kept"
    );
    let first = send(&ana, "a").await;
    let again = send(&ana, "a").await;
    assert_eq!((first.status, again.status), (201, 201), "{}", first.body);
    assert_eq!(
        (&again.body, &again.headers["location"]),
        (&first.body, &first.headers["location"])
    );
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = send(&ana, "b").await;
    assert_eq!(
        (other.status, &other.body["code"]),
        (422, &json!("idempotency_mismatch"))
    );
    let of_bob = send(&bob, "b").await;
    assert_eq!(of_bob.status, 201, "keys belong to their user");
    assert_eq!(ids(&get(&service, &ana, "/api/events").await).len(), 1);
    service.clock.pass(Duration::from_secs(24 * 3600 + 1));
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    assert_eq!(send(&ana, "b").await.status, 201, "a day later the key is free");
}
