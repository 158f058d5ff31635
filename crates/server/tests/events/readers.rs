//! Who sees which events, and what an export and the statistics say of them.

use db::{Engine, Scope};
use serde_json::{Value, json};

use crate::{
    calls::{get, ids, post, pushed_item, record},
    fixture::Service,
};

db::statements! {
    /// Gives a workspace the right to read an item.
    GRANT = "test.grant",
        "insert into item_grants (workspace_id, dfid, owner_id, source, granted_by, created_at)
         select cast($1 as {uuid}), dfid, workspace_id, 'share', created_by, created_at from items where dfid = $2";
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
