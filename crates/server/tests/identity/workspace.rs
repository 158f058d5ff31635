//! A workspace: its members and their roles, its settings, and that it is absent for everybody else.

use db::Engine;
use serde_json::json;

use crate::{
    fixture::{PASSWORD, Person, Service},
    steps::{me, without_ids},
};

pub async fn nobody_gives_or_takes_a_role_above_the_own_and_an_owner_stays(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let (ana, bia, caio) = service.trio().await;
    let add = |name: &str, role: &str| Some(json!({"user": name, "role": role}));
    service
        .expect_as(201, &ana.token, "POST", "/api/members", add("bia", "admin"))
        .await;
    service
        .expect_as(409, &ana.token, "POST", "/api/members", add("bia", "admin"))
        .await;
    service
        .expect_as(422, &ana.token, "POST", "/api/members", add("nobody", "admin"))
        .await;
    let switched = service
        .as_bearer(
            &bia.token,
            "POST",
            "/api/auth/switch-workspace",
            Some(json!({"workspace_id": ana.workspace_id})),
        )
        .await;
    assert_eq!(switched.status, 200, "{}", switched.body);
    assert_eq!(
        me(&service, &bia).await.status,
        401,
        "the token for the other workspace has ended"
    );
    let bia_token = switched.body["token"].as_str().unwrap();
    let foreign = Some(json!({"workspace_id": caio.workspace_id}));
    service
        .expect_as(404, bia_token, "POST", "/api/auth/switch-workspace", foreign)
        .await;
    service
        .expect_as(
            403,
            bia_token,
            "POST",
            "/api/members",
            add("caio@example.org", "owner"),
        )
        .await;
    service
        .expect_as(
            201,
            bia_token,
            "POST",
            "/api/members",
            add("caio@example.org", "viewer"),
        )
        .await;
    let of = |person: &Person| format!("/api/members/{}", person.user_id);
    service
        .expect_as(
            403,
            bia_token,
            "PATCH",
            &of(&ana),
            Some(json!({"role": "viewer"})),
        )
        .await;
    service.expect_as(403, bia_token, "DELETE", &of(&ana), None).await;
    service
        .expect_as(
            409,
            &ana.token,
            "PATCH",
            &of(&ana),
            Some(json!({"role": "admin"})),
        )
        .await;
    // The last owner stays.
    service
        .expect_as(409, &ana.token, "DELETE", &of(&ana), None)
        .await;
    let header = format!("Bearer {}", ana.token);
    let stale = [("authorization", &*header), ("if-match", "\"7\"")];
    assert_eq!(
        service
            .send("PATCH", &of(&bia), &stale, Some(json!({"role": "viewer"})))
            .await
            .status,
        412
    );
    // A new role holds from the next request on, on the other replica too.
    replica
        .expect_as(
            200,
            bia_token,
            "PATCH",
            "/api/workspace",
            Some(json!({"name": "B"})),
        )
        .await;
    service
        .expect_as(
            200,
            &ana.token,
            "PATCH",
            &of(&bia),
            Some(json!({"role": "viewer"})),
        )
        .await;
    replica
        .expect_as(
            403,
            bia_token,
            "PATCH",
            "/api/workspace",
            Some(json!({"name": "C"})),
        )
        .await;
    // A viewer takes nobody out.
    service
        .expect_as(403, bia_token, "DELETE", &of(&caio), None)
        .await;
    service
        .expect_as(204, &ana.token, "DELETE", &of(&bia), None)
        .await;
    replica
        .expect_as(401, bia_token, "GET", "/api/workspace", None)
        .await;
}

pub async fn keys_and_rights_of_a_removed_member_stay_gone(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let (ana, bia) = (service.person("ana").await, service.person("bia").await);
    let add = || Some(json!({"user": "bia", "role": "member"}));
    let key = async |token: &str| {
        let body = Some(json!({"name": "k", "scopes": ["workspace:read"]}));
        let made = service.as_bearer(token, "POST", "/api/api-keys", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    };
    let (_, anas) = key(&ana.token).await;
    let (_, at_home) = key(&bia.token).await;
    let member = format!("/api/members/{}", bia.user_id);
    // Taken out by somebody else, then left by oneself.
    for by_herself in [false, true] {
        service
            .expect_as(201, &ana.token, "POST", "/api/members", add())
            .await;
        let there = Some(json!({"workspace_id": ana.workspace_id}));
        let bia = service.sign_in("bia", PASSWORD).await;
        let switched = service
            .as_bearer(&bia.token, "POST", "/api/auth/switch-workspace", there)
            .await;
        let token = switched.body["token"].as_str().unwrap();
        let (id, old) = key(token).await;
        replica.expect_as(200, &old, "GET", "/api/workspace", None).await;
        let who = if by_herself { token } else { &ana.token };
        service.expect_as(204, who, "DELETE", &member, None).await;
        replica.expect_as(401, &old, "GET", "/api/workspace", None).await;
        service
            .expect_as(201, &ana.token, "POST", "/api/members", add())
            .await;
        replica.expect_as(401, &old, "GET", "/api/workspace", None).await;
        replica.expect_as(401, token, "GET", "/api/workspace", None).await;
        let shown = service
            .as_bearer(&ana.token, "GET", &format!("/api/api-keys/{id}"), None)
            .await;
        assert!(shown.body["revoked_at"].is_string(), "{}", shown.body);
        let trail = service
            .as_bearer(&ana.token, "GET", "/api/audit?action=api_key.revoked", None)
            .await;
        assert!(trail.body.to_string().contains(&id), "{}", trail.body);
        service.expect_as(204, &ana.token, "DELETE", &member, None).await;
    }
    for untouched in [&anas, &at_home] {
        replica
            .expect_as(200, untouched, "GET", "/api/workspace", None)
            .await;
    }
}

pub async fn another_workspace_is_absent(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, mallory) = (service.person("ana").await, service.person("mallory").await);
    let made = service
        .as_bearer(
            &ana.token,
            "POST",
            "/api/api-keys",
            Some(json!({"name": "k", "scopes": ["items:read"]})),
        )
        .await;
    let key = made.body["id"].as_str().unwrap();
    let absent = &ana.session_id;
    let pairs = [
        (
            "GET",
            format!("/api/members/{}", ana.user_id),
            format!("/api/members/{absent}"),
        ),
        (
            "DELETE",
            format!("/api/members/{}", ana.user_id),
            format!("/api/members/{absent}"),
        ),
        (
            "GET",
            format!("/api/api-keys/{key}"),
            format!("/api/api-keys/{absent}"),
        ),
        (
            "DELETE",
            format!("/api/api-keys/{key}"),
            format!("/api/api-keys/{absent}"),
        ),
    ];
    for (method, hidden, never) in pairs {
        let hidden = service.as_bearer(&mallory.token, method, &hidden, None).await;
        let never = service.as_bearer(&mallory.token, method, &never, None).await;
        assert_eq!((hidden.status, never.status), (404, 404));
        assert_eq!(without_ids(hidden.body), without_ids(never.body));
    }
    let own = service
        .as_bearer(&ana.token, "GET", &format!("/api/api-keys/{key}"), None)
        .await;
    assert_eq!(own.status, 200, "the neighbour: the owner sees it");
}

pub async fn a_workspace_is_changed_by_its_version(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let header = format!("Bearer {}", ana.token);
    let shown = service.as_bearer(&ana.token, "GET", "/api/workspace", None).await;
    let tag = shown.headers["etag"].to_str().unwrap();
    let body = Some(json!({"name": "Nova", "retention_days": 30, "default_visibility": "circuit"}));
    let headers = [("authorization", &*header), ("if-match", tag)];
    let changed = service
        .send("PATCH", "/api/workspace", &headers, body.clone())
        .await;
    assert_eq!(
        (changed.status, &changed.body["settings"]["retention_days"]),
        (200, &json!(30)),
        "{}",
        changed.body
    );
    assert_eq!(
        service
            .send("PATCH", "/api/workspace", &headers, body)
            .await
            .status,
        412
    );
    let bad = service
        .as_bearer(
            &ana.token,
            "PATCH",
            "/api/workspace",
            Some(json!({"retention_days": 0})),
        )
        .await;
    assert_eq!(
        (bad.status, &bad.body["errors"][0]["field"]),
        (422, &json!("retention_days"))
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "GET", "/api/workspace", None)
            .await
            .body["name"],
        "Nova"
    );
}

pub async fn a_changed_default_is_noticed_when_what_is_cached_has_ended(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let mut forgetful = service.replica().await;
    forgetful.app = forgetful.app.remembering(std::time::Duration::ZERO);
    let forgetful = forgetful.with_routes(server::platform::event_routes());
    let recorded = async |at: &Service| {
        let event = Some(json!({"event_type": "tick"}));
        let made = at.as_bearer(&ana.token, "POST", "/api/events", event).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["visibility"].clone()
    };
    let before = recorded(&service).await;
    assert_ne!(before, "public");
    assert_eq!(recorded(&forgetful).await, before);
    let change = Some(json!({"default_visibility": "public"}));
    service
        .expect_as(200, &ana.token, "PATCH", "/api/workspace", change)
        .await;
    assert_eq!(recorded(&forgetful).await, "public");
    assert_eq!(
        recorded(&service).await,
        before,
        "remembered for as long as it was told"
    );
}
