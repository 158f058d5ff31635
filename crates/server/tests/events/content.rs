//! What becomes of an event's content: sealed at rest, changed, erased, removed when its time is over.

use std::time::Duration;

use db::{Engine, Scope};
use serde_json::{Value, json};

use crate::{
    calls::{get, ids, post, pushed_item, record},
    fixture::Service,
};

db::statements! {
    /// What is stored of an event's payload.
    STORED = "test.stored", "select cast(data as {text}) as data, sealed from events where id = $1";
    /// The leaves of a workspace.
    LEAVES = "test.leaves", "select kind, salt from leaves where workspace_id = $1 order by id";
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
