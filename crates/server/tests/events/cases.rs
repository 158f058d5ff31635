//! Events themselves.

use std::time::Duration;

use db::{DbError, Engine, Scope, Value as Bound};
use domain::ids::WorkspaceId;
use serde_json::{Value, json};

use crate::fixture::{Answer, Person, Service};

db::statements! {
    /// What is stored of an event's payload.
    STORED = "test.stored", "select cast(data as {text}) as data, sealed from events where id = $1";
    /// The leaves of a workspace.
    LEAVES = "test.leaves", "select kind, salt from leaves where workspace_id = $1 order by id";
    /// Everything that counts as recorded.
    EVENTS = "test.events", "select count(*) as n from events where workspace_id = $1";
    /// Gives a workspace the right to read an item.
    GRANT = "test.grant",
        "insert into item_grants (workspace_id, dfid, owner_id, source, granted_by, created_at)
         select cast($1 as {uuid}), dfid, workspace_id, 'share', created_by, created_at from items where dfid = $2";
}

pub async fn get(service: &Service, person: &Person, path: &str) -> Answer {
    service.as_bearer(&person.token, "GET", path, None).await
}

pub async fn post(service: &Service, person: &Person, path: &str, body: Value) -> Answer {
    service.as_bearer(&person.token, "POST", path, Some(body)).await
}

pub async fn record(service: &Service, person: &Person, body: Value) -> Value {
    let made = post(service, person, "/api/events", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

pub fn ids(list: &Answer) -> Vec<&str> {
    assert_eq!(list.status, 200, "{}", list.body);
    list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect()
}

pub fn workspace(person: &Person) -> WorkspaceId {
    person.workspace_id.parse().unwrap()
}

/// A circuit and an item pushed into it: their ids, and the local item's.
async fn pushed_item(service: &Service, owner: &Person) -> (String, String) {
    let circuit = post(service, owner, "/api/circuits", json!({"name": "Coffee"})).await;
    assert_eq!(circuit.status, 201, "{}", circuit.body);
    let circuit = circuit.body["id"].as_str().unwrap().to_owned();
    let local = json!({"local_id": "L-1", "identifiers": [{"key": "lot", "value": "A-1"}]});
    assert_eq!(post(service, owner, "/api/items/local", local).await.status, 201);
    let pushed = post(
        service,
        owner,
        &format!("/api/circuits/{circuit}/push-local"),
        json!({"local_id": "L-1"}),
    )
    .await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    (circuit, pushed.body["dfid"].as_str().unwrap().to_owned())
}

pub async fn every_statement_is_understood(engine: Engine) {
    let service = Service::start(engine).await;
    let lists = [
        store::activities::STATEMENTS,
        store::audit::STATEMENTS,
        store::event_queries::STATEMENTS,
        store::events::STATEMENTS,
        store::idempotency::STATEMENTS,
        store::incidents::STATEMENTS,
        store::jobs::STATEMENTS,
        store::live::STATEMENTS,
        store::local_events::STATEMENTS,
        store::outbox::STATEMENTS,
        store::records::STATEMENTS,
        store::rights::STATEMENTS,
    ];
    for sql in lists.into_iter().flatten().copied() {
        let text = sql.source(engine);
        let arguments = (1..=30)
            .rev()
            .find(|n| text.contains(&format!("${n}")))
            .unwrap_or(0);
        let tx = service.db.begin(&Scope::system()).await.unwrap();
        let outcome = tx.all(sql, vec![Bound::Null; arguments]).await;
        tx.rollback().await;
        // Nulls break constraints, and may; a statement that is not understood is another error.
        if let Err(error @ (DbError::Other { .. } | DbError::Denied { .. })) = outcome {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            // SQLite has understood `limit $1` when it refuses a null there.
            let understood = source.as_deref() == Some("datatype mismatch") && engine == Engine::Sqlite;
            assert!(understood, "{}: {error}: {source:?}", sql.name);
        }
    }
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

pub async fn private_data_is_sealed_at_rest(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let event = record(
        &service,
        &ana,
        json!({"event_type": "price", "data": {"secret": "nine reais"}}),
    )
    .await;
    assert_eq!(event["visibility"], "private", "the workspace's default");
    let id: uuid::Uuid = event["id"].as_str().unwrap().parse().unwrap();
    let row = service
        .db
        .one(&Scope::system(), STORED, db::args![id])
        .await
        .unwrap();
    assert_eq!(row.get::<Option<String>>("data").unwrap(), None);
    let sealed = row.get::<Vec<u8>>("sealed").unwrap();
    assert!(
        !sealed.windows(4).any(|part| part == b"nine"),
        "the payload stands in the clear"
    );
    let read = get(&service, &ana, &format!("/api/events/{id}")).await;
    assert_eq!(read.body["data"], json!({"secret": "nine reais"}));
}

pub async fn only_operational_events_change_and_by_their_version(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let note = record(
        &service,
        &ana,
        json!({"event_type": "note", "tags": ["old"], "data": {"a": 1}}),
    )
    .await;
    let path = format!("/api/events/{}", note["id"].as_str().unwrap());
    let bearer = format!("Bearer {}", ana.token);
    let put = |body: Value, tag: &'static str| {
        let headers = [("authorization", bearer.clone()), ("if-match", tag.to_owned())];
        let (service, path) = (&service, path.clone());
        async move {
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            service.send("PUT", &path, &headers, Some(body)).await
        }
    };
    let changed = put(json!({"tags": ["new"], "data": {"a": 2}}), "\"1\"").await;
    assert_eq!(
        (changed.status, &changed.body["version"]),
        (200, &json!(2)),
        "{}",
        changed.body
    );
    assert_eq!(put(json!({"tags": []}), "\"1\"").await.status, 412);
    let read = get(&service, &ana, &path).await;
    assert_eq!(
        (&read.body["data"], &read.body["tags"]),
        (&json!({"a": 2}), &json!(["new"]))
    );
    assert_eq!(ids(&get(&service, &ana, "/api/events?tag=old").await).len(), 0);
    assert_eq!(ids(&get(&service, &ana, "/api/events?tag=new").await).len(), 1);
    let (_, dfid) = pushed_item(&service, &ana).await;
    let about = record(
        &service,
        &ana,
        json!({"event_type": "weighed", "dfid": dfid, "visibility": "public"}),
    )
    .await;
    let about = format!("/api/events/{}", about["id"].as_str().unwrap());
    let refused = service
        .as_bearer(&ana.token, "PUT", &about, Some(json!({"tags": ["x"]})))
        .await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("conflict")));
    assert_eq!(
        service
            .as_bearer(&bob.token, "PUT", &path, Some(json!({"tags": []})))
            .await
            .status,
        404
    );
}

pub async fn erasing_takes_payload_and_salt_and_leaves_the_leaf(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let body = json!({"event_type": "note", "visibility": "public", "data": {"name": "Jo"}, "tags": ["t"], "client_event_id": "c"});
    let event = record(&service, &ana, body.clone()).await;
    let path = format!("/api/events/{}", event["id"].as_str().unwrap());
    let leaves = || async {
        let id: uuid::Uuid = ana.workspace_id.parse().unwrap();
        let rows = service
            .db
            .all(&Scope::system(), LEAVES, db::args![id])
            .await
            .unwrap();
        let read = |row: &db::Row| {
            (
                row.get::<String>("kind").unwrap(),
                row.get::<Option<Vec<u8>>>("salt").unwrap().is_some(),
            )
        };
        rows.iter().map(read).collect::<Vec<_>>()
    };
    let before = leaves().await;
    assert!(before.contains(&("event".to_owned(), true)));
    assert_eq!(
        service.as_bearer(&bob.token, "DELETE", &path, None).await.status,
        404
    );
    assert_eq!(
        service.as_bearer(&ana.token, "DELETE", &path, None).await.status,
        204
    );
    let after = leaves().await;
    assert!(
        after.contains(&("event".to_owned(), false)) && !after.contains(&("event".to_owned(), true)),
        "{after:?}"
    );
    assert!(after.iter().any(|(kind, _)| kind == "erasure"));
    assert_eq!(get(&service, &ana, &path).await.status, 410);
    assert_eq!(
        service.as_bearer(&ana.token, "DELETE", &path, None).await.status,
        410
    );
    assert_eq!(
        post(&service, &ana, "/api/events", body).await.status,
        410,
        "it does not come back"
    );
    assert!(ids(&get(&service, &ana, "/api/events").await).is_empty());
    let id: uuid::Uuid = event["id"].as_str().unwrap().parse().unwrap();
    let row = service
        .db
        .one(&Scope::system(), STORED, db::args![id])
        .await
        .unwrap();
    assert_eq!(row.get::<Option<String>>("data").unwrap(), None);
    let audit = get(&service, &ana, "/api/audit?action=event.erased").await;
    assert_eq!(ids(&audit).len(), 1);
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

pub async fn partners_see_what_is_meant_for_them_and_nothing_else(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob, eve) = (
        service.person("ana").await,
        service.person("bob").await,
        service.person("eve").await,
    );
    let (_, dfid) = pushed_item(&service, &ana).await;
    let about = |visibility: &str, recipients: Value| {
        let mut body =
            json!({"event_type": format!("e.{visibility}"), "dfid": dfid, "visibility": visibility});
        if recipients != json!([]) {
            body["recipients"] = recipients;
        }
        body
    };
    let public = record(&service, &ana, about("public", json!([]))).await;
    let private = record(&service, &ana, about("private", json!([]))).await;
    let circuit = record(&service, &ana, about("circuit", json!([]))).await;
    let for_bob = record(
        &service,
        &ana,
        about("direct", json!([bob.workspace_id, ana.workspace_id])),
    )
    .await;
    let for_eve = record(&service, &ana, about("direct", json!([eve.workspace_id]))).await;
    let unaddressed = json!({"event_type": "x", "dfid": dfid, "visibility": "direct"});
    assert_eq!(post(&service, &ana, "/api/events", unaddressed).await.status, 422);
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    let timeline = format!("/api/items/{dfid}/timeline");
    // Without a right to the item nothing of it exists, not even what is public.
    let hidden = get(&service, &bob, &timeline).await;
    let absent = get(&service, &bob, "/api/items/DFID-20260301-ZZZZZZZZZZ-00/timeline").await;
    assert_eq!(hidden.status, 404);
    assert!(matches!(absent.status, 400 | 404));
    assert_eq!(
        get(&service, &bob, &format!("/api/events/{}", id(&public)))
            .await
            .status,
        404
    );
    let stranger = post(
        &service,
        &bob,
        "/api/events",
        json!({"event_type": "x", "dfid": dfid, "visibility": "public"}),
    )
    .await;
    assert_eq!(stranger.status, 404, "{}", stranger.body);
    let granted = db::args![bob.workspace_id.parse::<uuid::Uuid>().unwrap(), &dfid];
    service
        .db
        .execute(&Scope::system(), GRANT, granted)
        .await
        .unwrap();
    let seen = get(&service, &bob, &timeline).await;
    assert_eq!(ids(&seen), [id(&public), id(&for_bob)]);
    assert_eq!(
        seen.body["data"][1]["recipients"],
        json!([bob.workspace_id]),
        "who else was addressed is not told"
    );
    let listed = get(
        &service,
        &bob,
        &format!("/api/events?dfid={dfid}&sort=asc&with_total=true"),
    )
    .await;
    assert_eq!(
        (ids(&listed), &listed.body["total"]),
        (vec![&*id(&public), &*id(&for_bob)], &json!(2))
    );
    assert_eq!(
        get(&service, &bob, &format!("/api/events/{}", id(&for_bob)))
            .await
            .status,
        200
    );
    for other in [&private, &circuit, &for_eve] {
        assert_eq!(
            get(&service, &bob, &format!("/api/events/{}", id(other)))
                .await
                .status,
            404
        );
    }
    assert_eq!(
        service
            .as_bearer(
                &bob.token,
                "DELETE",
                &format!("/api/events/{}", id(&public)),
                None
            )
            .await
            .status,
        403
    );
    let of_bob = record(
        &service,
        &bob,
        json!({"event_type": "received", "dfid": dfid, "visibility": "public"}),
    )
    .await;
    let all = get(&service, &ana, &timeline).await;
    let own: Vec<String> = [&public, &private, &circuit, &for_bob, &for_eve, &of_bob]
        .map(id)
        .to_vec();
    for one in &own {
        assert!(ids(&all).contains(&one.as_str()), "the item's owner sees {one}");
    }
    assert_eq!(get(&service, &eve, &timeline).await.status, 404);
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

pub async fn exports_and_statistics_count_what_was_recorded(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let events: Vec<Value> = (0..700)
        .map(|n| json!({"event_type": if n % 7 == 0 { "seven" } else { "other" }, "data": {"n": n, "text": "a, \"b\""}, "occurred_at": "2027-01-15T07:59:59Z"}))
        .collect();
    assert_eq!(
        post(&service, &ana, "/api/events/bulk", json!({"events": events}))
            .await
            .status,
        201
    );
    let stats = get(&service, &ana, "/api/events/stats").await;
    let counts = json!([
        {"event_type": "other", "hour": "2027-01-15T07:00:00Z", "count": 600},
        {"event_type": "seven", "hour": "2027-01-15T07:00:00Z", "count": 100},
    ]);
    assert_eq!(stats.body["counts"], counts, "{}", stats.body);
    let csv = service.text(&ana.token, "/api/events/export").await;
    assert_eq!(csv.lines().count(), 701);
    assert!(csv.starts_with("id,event_type,source,"), "{}", &csv[..60]);
    let lines = service
        .text(&ana.token, "/api/events/export?format=jsonl&type=seven")
        .await;
    let read: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((read.len(), &read[0]["data"]["n"]), (100, &json!(0)));
}

pub async fn retention_removes_old_operational_events(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let (_, dfid) = pushed_item(&service, &ana).await;
    let about = record(
        &service,
        &ana,
        json!({"event_type": "kept", "dfid": dfid, "visibility": "public"}),
    )
    .await;
    record(&service, &ana, json!({"event_type": "old", "tags": ["x"]})).await;
    service.clock.pass(Duration::from_secs(366 * 24 * 3600));
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    let new = record(&service, &ana, json!({"event_type": "new"})).await;
    assert_eq!(service.app.retain_events().await.unwrap(), 1);
    assert_eq!(service.app.retain_events().await.unwrap(), 0);
    let left = get(&service, &ana, "/api/events?type=old").await;
    assert!(ids(&left).is_empty());
    let all = get(&service, &ana, "/api/events").await;
    for event in [&about, &new] {
        assert!(ids(&all).contains(&event["id"].as_str().unwrap()));
    }
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
