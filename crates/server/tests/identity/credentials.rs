//! Sessions, tokens and keys: what they open, and that they end at once and everywhere.

use std::time::Duration;

use db::Engine;
use serde_json::{Value, json};

use crate::{
    fixture::{PASSWORD, Person, Service},
    steps::{make_key, me, without_ids},
};

pub async fn logout_and_ended_sessions_are_dead_on_every_replica(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let ana = service.person("ana").await;
    assert_eq!(
        me(&replica, &ana).await.status,
        200,
        "the replica accepts the token"
    );
    service
        .expect_as(204, &ana.token, "POST", "/api/auth/logout", None)
        .await;
    assert_eq!(
        (me(&replica, &ana).await.status, me(&service, &ana).await.status),
        (401, 401)
    );
    let (first, second) = (
        service.sign_in("ana", PASSWORD).await,
        service.sign_in("ana", PASSWORD).await,
    );
    let list = service
        .as_bearer(&first.token, "GET", "/api/sessions", None)
        .await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2, "{}", list.body);
    assert_eq!(
        (&list.body["data"][0]["address"], &list.body["data"][1]["current"]),
        (&json!("127.0.0.1"), &json!(true))
    );
    let path = format!("/api/sessions/{}", second.session_id);
    let stranger = service.person("mallory").await;
    let absent = format!("/api/sessions/{}", stranger.user_id);
    let (hidden, never) = (
        service.as_bearer(&stranger.token, "DELETE", &path, None).await,
        service.as_bearer(&stranger.token, "DELETE", &absent, None).await,
    );
    assert_eq!((hidden.status, never.status), (404, 404));
    assert_eq!(without_ids(hidden.body), without_ids(never.body));
    assert_eq!(
        me(&replica, &second).await.status,
        200,
        "a stranger ends nobody's session"
    );
    service.expect_as(204, &first.token, "DELETE", &path, None).await;
    assert_eq!(
        (
            me(&replica, &second).await.status,
            me(&replica, &first).await.status
        ),
        (401, 200)
    );
    assert_eq!(
        service
            .as_bearer(&first.token, "DELETE", "/api/sessions", None)
            .await
            .body["ended"],
        1
    );
    assert_eq!(me(&replica, &first).await.status, 401);
    let opened = service
        .post("/api/sessions", json!({"username": "ana", "password": PASSWORD}))
        .await;
    assert!(opened.status == 201 && opened.headers.contains_key("location"));
}

pub async fn a_token_ends_and_a_reused_refresh_token_ends_the_family(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let ana = service.person("ana").await;
    service.clock.pass(Duration::from_secs(16 * 60));
    assert_eq!(me(&service, &ana).await.status, 401, "the token has ended");
    let fresh = replica
        .post("/api/auth/refresh", json!({"refresh_token": ana.refresh_token}))
        .await;
    assert_eq!(fresh.status, 200, "{}", fresh.body);
    let (token, next) = (
        fresh.body["token"].as_str().unwrap(),
        fresh.body["refresh_token"].as_str().unwrap(),
    );
    service.expect_as(200, token, "GET", "/api/auth/me", None).await;
    let reused = service
        .post("/api/auth/refresh", json!({"refresh_token": ana.refresh_token}))
        .await;
    assert_eq!(reused.status, 401);
    // The family has ended.
    replica.expect_as(401, token, "GET", "/api/auth/me", None).await;
    service
        .expect_post(401, "/api/auth/refresh", json!({"refresh_token": next}))
        .await;
    service
        .expect_post(401, "/api/auth/refresh", json!({"refresh_token": "nonsense"}))
        .await;
}

pub async fn a_frozen_account_is_refused_at_once_with_every_credential(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let (root, ana) = (service.admin().await, service.person("ana").await);
    let key = make_key(&service, &ana, json!({"name": "k", "scopes": ["workspace:read"]})).await;
    let path = format!("/api/admin/users/{}/freeze", ana.user_id);
    let reason = || Some(json!({"reason": "test"}));
    // An owner is no administrator.
    service.expect_as(403, &ana.token, "POST", &path, reason()).await;
    let frozen = service.as_bearer(&root.token, "POST", &path, reason()).await;
    assert_eq!(
        (frozen.status, &frozen.body["status"]),
        (200, &json!("suspended"))
    );
    for credential in [&ana.token, &key] {
        let refused = replica.as_bearer(credential, "GET", "/api/workspace", None).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("account_not_active"))
        );
    }
    let login = service
        .post(
            "/api/auth/login",
            json!({"username": "ana", "password": PASSWORD}),
        )
        .await;
    assert_eq!(login.body["code"], "account_not_active");
    let unfreeze = path.replace("freeze", "unfreeze");
    service
        .expect_as(200, &root.token, "POST", &unfreeze, reason())
        .await;
    assert_eq!(me(&replica, &ana).await.status, 200);
    let own = format!("/api/admin/users/{}/freeze", root.user_id);
    service.expect_as(409, &root.token, "POST", &own, reason()).await;
    let log = service
        .as_bearer(&root.token, "GET", "/api/admin/actions", None)
        .await;
    let actions: Vec<_> = log.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["action"].clone())
        .collect();
    assert_eq!(actions, ["user.unfreeze", "user.freeze"]);
}

pub async fn api_keys_do_what_they_may_and_die_at_once(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let ana = service.person("ana").await;
    let key = make_key(&service, &ana, json!({"name": "reader", "scopes": ["workspace:read"], "routes": ["GET /api/workspace"], "addresses": ["127.0.0.0/8"]})).await;
    assert!(key.starts_with("fg_"));
    for _ in 0..3 {
        replica.expect_as(200, &key, "GET", "/api/workspace", None).await;
    }
    // Another route.
    service.expect_as(403, &key, "GET", "/api/members", None).await;
    // No scope to write.
    service
        .expect_as(403, &key, "PATCH", "/api/workspace", Some(json!({})))
        .await;
    let header = format!("Bearer {key}");
    let away = service
        .send_from(
            [10, 0, 0, 1].into(),
            "GET",
            "/api/workspace",
            &[("authorization", &header)],
            None,
        )
        .await;
    assert_eq!(away.status, 403, "another address");
    service
        .expect_as(
            401,
            &format!("{}A", &key[..key.len() - 1]),
            "GET",
            "/api/workspace",
            None,
        )
        .await;
    replica.app.identity().flush_uses().await.unwrap();
    let listed = service
        .as_bearer(&ana.token, "GET", "/api/api-keys", None)
        .await
        .body["data"][0]
        .clone();
    assert_eq!(listed["use_count"], 3, "real figures: {listed}");
    assert!(listed.get("secret").is_none());
    let path = format!("/api/api-keys/{}", listed["id"].as_str().unwrap());
    let mallory = service.person("mallory").await;
    service.expect_as(404, &mallory.token, "GET", &path, None).await;
    let rotated = service
        .as_bearer(
            &ana.token,
            "POST",
            &format!("{path}/rotate"),
            Some(json!({"overlap_seconds": 60})),
        )
        .await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    let next = rotated.body["secret"].as_str().unwrap();
    for works in [&key[..], next] {
        replica.expect_as(200, works, "GET", "/api/workspace", None).await;
    }
    service
        .expect_as(
            409,
            &ana.token,
            "POST",
            &format!("{path}/rotate"),
            Some(json!({})),
        )
        .await;
    service.clock.pass(Duration::from_secs(61));
    // The overlap is over.
    replica.expect_as(401, &key, "GET", "/api/workspace", None).await;
    let path = format!("/api/api-keys/{}", rotated.body["id"].as_str().unwrap());
    service.expect_as(204, &ana.token, "DELETE", &path, None).await;
    // Revoked.
    replica.expect_as(401, next, "GET", "/api/workspace", None).await;
    let body = json!({"name": "root", "scopes": ["admin:read"]});
    service
        .expect_as(403, &ana.token, "POST", "/api/api-keys", Some(body))
        .await;
}

db::statements! {
    /// What is kept of the answers to a person's repeated writes.
    KEPT = "test.kept_answers", "select key, body from idempotency_keys where workspace_id = $1 order by key";
}

/// Keys and bodies that are kept, as text.
async fn kept(service: &Service, person: &Person) -> Vec<(String, String)> {
    let workspace: uuid::Uuid = person.workspace_id.parse().unwrap();
    let scope = db::Scope::workspace(workspace);
    let rows = service.db.all(&scope, KEPT, db::args![workspace]).await.unwrap();
    rows.iter()
        .map(|row| {
            let body = row.get::<Option<Vec<u8>>>("body").unwrap().unwrap_or_default();
            (row.get("key").unwrap(), String::from_utf8(body).unwrap())
        })
        .collect()
}

pub async fn a_secret_is_shown_once_whatever_the_idempotency_key(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let send = async |key: &str, path: &str, body: Value| {
        let bearer = format!("Bearer {}", ana.token);
        let headers = [("authorization", &*bearer), ("idempotency-key", key)];
        service.send("POST", path, &headers, Some(body)).await
    };
    let body = json!({"name": "k", "scopes": ["items:read"]});
    let made = send("one", "/api/api-keys", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let key = format!("/api/api-keys/{}", made.body["id"].as_str().unwrap());
    let again = send("one", "/api/api-keys", body).await;
    assert_eq!(
        (again.status, &again.body["code"], &again.body["location"]),
        (409, &json!("secret_shown"), &json!(key)),
        "{}",
        again.body
    );
    let rotate = format!("{key}/rotate");
    let rotated = send("two", &rotate, json!({})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.body);
    assert_eq!(
        send("two", &rotate, json!({})).await.body["code"],
        "secret_shown",
        "not the refusal of a key that was rotated before"
    );
    let list = service.as_bearer(&ana.token, "GET", "/api/api-keys", None).await;
    assert_eq!(list.body["data"].as_array().unwrap().len(), 2, "{}", list.body);
    let tickets = [
        send("three", "/api/live/ticket", json!({})).await,
        send("three", "/api/live/ticket", json!({})).await,
    ];
    assert_eq!((tickets[0].status, tickets[1].status), (200, 200));
    assert_ne!(tickets[0].body["ticket"], tickets[1].body["ticket"]);
    let empty = |key: &str| (key.to_owned(), String::new());
    assert_eq!(kept(&service, &ana).await, [empty("one"), empty("two")]);
    let workspace = json!({"workspace_id": ana.workspace_id});
    let switched = send("four", "/api/auth/switch-workspace", workspace).await;
    assert_eq!(switched.status, 200, "{}", switched.body);
    assert_eq!(kept(&service, &ana).await.len(), 2);
}
