//! The behaviours, each over a fresh service; both engines run all of them.

use std::time::Duration;

use app::identity::SignInLimits;
use db::{Engine, Scope};
use domain::{
    credits::CostedOperation,
    ids::WorkspaceId,
    tier::{Limit, Tier},
};
use serde_json::{Value, json};

use crate::fixture::{Answer, PASSWORD, Person, Service};

fn without_ids(mut body: Value) -> Value {
    for name in ["request_id", "trace_id"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

async fn me(service: &Service, person: &Person) -> Answer {
    service
        .as_bearer(&person.token, "GET", "/api/auth/me", None)
        .await
}

pub async fn register_then_login_gives_what_the_contract_names(engine: Engine) {
    let service = Service::start(engine).await;
    let body = json!({"username": "Ana", "email": "ana@example.org", "password": PASSWORD, "workspace_name": "Fazenda Boa"});
    let made = service.post("/api/auth/register", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["user"]["role"], "owner");
    assert_eq!(made.body["workspace"]["slug"], "fazenda-boa");
    let location = made.headers["location"].to_str().unwrap().to_owned();
    let login = service
        .post(
            "/api/auth/login",
            json!({"username": "ana", "password": PASSWORD}),
        )
        .await;
    assert_eq!(login.status, 200, "{}", login.body);
    for pointer in [
        "/user/id",
        "/workspace_id",
        "/session_id",
        "/token",
        "/refresh_token",
        "/expires_at",
        "/csrf_token",
    ] {
        assert!(
            login.body.pointer(pointer).is_some_and(Value::is_string),
            "{pointer}"
        );
    }
    assert_eq!(
        (&login.body["user"]["username"], &login.body["user"]["email"]),
        (&json!("Ana"), &json!("ana@example.org"))
    );
    let cookie = login.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("session=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let token = login.body["token"].as_str().unwrap();
    assert_eq!(
        service.as_bearer(token, "GET", &location, None).await.body["username"],
        "Ana"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(
        service
            .send("GET", "/api/auth/me", &[("cookie", cookie)], None)
            .await
            .status,
        200
    );
    assert_eq!(
        service
            .send("POST", "/api/auth/logout", &[("cookie", cookie)], None)
            .await
            .body["code"],
        "csrf_rejected"
    );
    let csrf = login.body["csrf_token"].as_str().unwrap();
    let out = service
        .send(
            "POST",
            "/api/auth/logout",
            &[("cookie", cookie), ("x-csrf-token", csrf)],
            None,
        )
        .await;
    assert_eq!(out.status, 204);
    assert_eq!(
        service
            .send("GET", "/api/auth/me", &[("cookie", cookie)], None)
            .await
            .status,
        401
    );
}

pub async fn names_that_are_taken_and_bad_fields_are_told(engine: Engine) {
    let service = Service::start(engine).await;
    service.person("ana").await;
    let body = json!({"username": "ANA", "email": "other@example.org", "password": PASSWORD});
    let taken = service.post("/api/auth/register", body).await;
    assert_eq!(
        (taken.status, &taken.body["errors"][0]["field"]),
        (409, &json!("username"))
    );
    let body = json!({"username": "bia", "email": "Ana@example.org", "password": PASSWORD});
    let taken = service.post("/api/auth/register", body).await;
    assert_eq!(
        (taken.status, &taken.body["errors"][0]["field"]),
        (409, &json!("email"))
    );
    let body = json!({"username": "b!", "email": "nowhere", "password": "short", "workspace_name": "Ana"});
    let bad = service.post("/api/auth/register", body).await;
    assert_eq!(
        (bad.status, bad.body["errors"].as_array().unwrap().len()),
        (422, 2),
        "{}",
        bad.body
    );
    let body = json!({"username": "bia", "email": "bia@example.org", "password": PASSWORD, "role": "admin"});
    assert_eq!(
        service.post("/api/auth/register", body).await.body["errors"][0]["code"],
        "unknown_field"
    );
    // Another workspace of the same name gets a slug of its own.
    let body =
        json!({"username": "bia", "email": "bia@example.org", "password": PASSWORD, "workspace_name": "ana"});
    let second = service.post("/api/auth/register", body).await;
    assert_eq!(second.status, 201, "{}", second.body);
    assert!(
        second.body["workspace"]["slug"]
            .as_str()
            .unwrap()
            .starts_with("ana-")
    );
}

pub async fn wrong_passwords_and_unknown_users_answer_alike_and_are_throttled(engine: Engine) {
    let limits = SignInLimits {
        per_account: 3,
        per_address: 8,
        ..SignInLimits::default()
    };
    let service = Service::start_with(engine, |config| config.sign_in = limits).await;
    service.person("ana").await;
    let attempt = async |name: &str, password: &str| {
        service
            .post("/api/auth/login", json!({"username": name, "password": password}))
            .await
    };
    let (wrong, unknown) = (
        attempt("ana", "not the password").await,
        attempt("nobody", "not the password").await,
    );
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(without_ids(wrong.body), without_ids(unknown.body));
    // A success forgets the failures of the account.
    service.sign_in("ana", PASSWORD).await;
    for _ in 0..3 {
        assert_eq!(attempt("ana", "not the password").await.status, 401);
    }
    let throttled = attempt("ana", PASSWORD).await;
    assert_eq!(throttled.status, 429, "{}", throttled.body);
    assert!(throttled.headers.contains_key("retry-after"));
    for number in 0..3 {
        assert_eq!(
            attempt(&format!("guess{number}"), "not the password")
                .await
                .status,
            401
        );
    }
    assert_eq!(
        attempt("someone-else", PASSWORD).await.status,
        429,
        "the address is throttled too"
    );
    service.clock.pass(Duration::from_secs(16 * 60));
    service.sign_in("ana", PASSWORD).await;
}

pub async fn an_imported_hash_is_upgraded_at_the_next_login(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let user = ana.user_id.parse().unwrap();
    let hash = bcrypt::hash("imported password", 4).unwrap();
    let now = domain::ids::Timestamp::from_secs(1_800_000_000);
    service
        .db
        .run(
            &Scope::system(),
            vec![store::users::set_password(user, &hash, now)],
        )
        .await
        .unwrap();
    for _ in 0..2 {
        service.sign_in("ana", "imported password").await;
        let scope = Scope::system();
        let login = store::users::credentials(&service.db.scoped(&scope), user)
            .await
            .unwrap()
            .unwrap();
        assert!(
            login.password_hash.starts_with("$argon2id$"),
            "the hash is upgraded"
        );
    }
}

pub async fn logout_and_ended_sessions_are_dead_on_every_replica(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let ana = service.person("ana").await;
    assert_eq!(
        me(&replica, &ana).await.status,
        200,
        "the replica accepts the token"
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", "/api/auth/logout", None)
            .await
            .status,
        204
    );
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
    assert_eq!(
        service
            .as_bearer(&first.token, "DELETE", &path, None)
            .await
            .status,
        204
    );
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
    assert_eq!(
        service.as_bearer(token, "GET", "/api/auth/me", None).await.status,
        200
    );
    let reused = service
        .post("/api/auth/refresh", json!({"refresh_token": ana.refresh_token}))
        .await;
    assert_eq!(reused.status, 401);
    assert_eq!(
        replica.as_bearer(token, "GET", "/api/auth/me", None).await.status,
        401,
        "the family has ended"
    );
    assert_eq!(
        service
            .post("/api/auth/refresh", json!({"refresh_token": next}))
            .await
            .status,
        401
    );
    assert_eq!(
        service
            .post("/api/auth/refresh", json!({"refresh_token": "nonsense"}))
            .await
            .status,
        401
    );
}

pub async fn a_frozen_account_is_refused_at_once_with_every_credential(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let (root, ana) = (service.admin().await, service.person("ana").await);
    let key = make_key(&service, &ana, json!({"name": "k", "scopes": ["workspace:read"]})).await;
    let path = format!("/api/admin/users/{}/freeze", ana.user_id);
    let reason = || Some(json!({"reason": "test"}));
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", &path, reason())
            .await
            .status,
        403,
        "an owner is no administrator"
    );
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
    assert_eq!(
        service
            .as_bearer(&root.token, "POST", &unfreeze, reason())
            .await
            .status,
        200
    );
    assert_eq!(me(&replica, &ana).await.status, 200);
    let own = format!("/api/admin/users/{}/freeze", root.user_id);
    assert_eq!(
        service
            .as_bearer(&root.token, "POST", &own, reason())
            .await
            .status,
        409
    );
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

async fn make_key(service: &Service, person: &Person, body: Value) -> String {
    let made = service
        .as_bearer(&person.token, "POST", "/api/api-keys", Some(body))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body["secret"].as_str().unwrap().to_owned()
}

pub async fn api_keys_do_what_they_may_and_die_at_once(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let ana = service.person("ana").await;
    let key = make_key(&service, &ana, json!({"name": "reader", "scopes": ["workspace:read"], "routes": ["GET /api/workspace"], "addresses": ["127.0.0.0/8"]})).await;
    assert!(key.starts_with("fg_"));
    for _ in 0..3 {
        assert_eq!(
            replica
                .as_bearer(&key, "GET", "/api/workspace", None)
                .await
                .status,
            200
        );
    }
    assert_eq!(
        service.as_bearer(&key, "GET", "/api/members", None).await.status,
        403,
        "another route"
    );
    assert_eq!(
        service
            .as_bearer(&key, "PATCH", "/api/workspace", Some(json!({})))
            .await
            .status,
        403,
        "no scope to write"
    );
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
    assert_eq!(
        service
            .as_bearer(
                &format!("{}A", &key[..key.len() - 1]),
                "GET",
                "/api/workspace",
                None
            )
            .await
            .status,
        401
    );
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
    assert_eq!(
        service.as_bearer(&mallory.token, "GET", &path, None).await.status,
        404
    );
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
        assert_eq!(
            replica
                .as_bearer(works, "GET", "/api/workspace", None)
                .await
                .status,
            200
        );
    }
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", &format!("{path}/rotate"), Some(json!({})))
            .await
            .status,
        409
    );
    service.clock.pass(Duration::from_secs(61));
    assert_eq!(
        replica
            .as_bearer(&key, "GET", "/api/workspace", None)
            .await
            .status,
        401,
        "the overlap is over"
    );
    let path = format!("/api/api-keys/{}", rotated.body["id"].as_str().unwrap());
    assert_eq!(
        service.as_bearer(&ana.token, "DELETE", &path, None).await.status,
        204
    );
    assert_eq!(
        replica
            .as_bearer(next, "GET", "/api/workspace", None)
            .await
            .status,
        401,
        "revoked"
    );
    let body = json!({"name": "root", "scopes": ["admin:read"]});
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", "/api/api-keys", Some(body))
            .await
            .status,
        403
    );
}

pub async fn nobody_gives_or_takes_a_role_above_the_own_and_an_owner_stays(engine: Engine) {
    let service = Service::start(engine).await;
    let replica = service.replica().await;
    let (ana, bia, caio) = (
        service.person("ana").await,
        service.person("bia").await,
        service.person("caio").await,
    );
    let add = |name: &str, role: &str| Some(json!({"user": name, "role": role}));
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", "/api/members", add("bia", "admin"))
            .await
            .status,
        201
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", "/api/members", add("bia", "admin"))
            .await
            .status,
        409
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", "/api/members", add("nobody", "admin"))
            .await
            .status,
        422
    );
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
    assert_eq!(
        service
            .as_bearer(bia_token, "POST", "/api/auth/switch-workspace", foreign)
            .await
            .status,
        404
    );
    assert_eq!(
        service
            .as_bearer(
                bia_token,
                "POST",
                "/api/members",
                add("caio@example.org", "owner")
            )
            .await
            .status,
        403
    );
    assert_eq!(
        service
            .as_bearer(
                bia_token,
                "POST",
                "/api/members",
                add("caio@example.org", "viewer")
            )
            .await
            .status,
        201
    );
    let of = |person: &Person| format!("/api/members/{}", person.user_id);
    assert_eq!(
        service
            .as_bearer(bia_token, "PATCH", &of(&ana), Some(json!({"role": "viewer"})))
            .await
            .status,
        403
    );
    assert_eq!(
        service
            .as_bearer(bia_token, "DELETE", &of(&ana), None)
            .await
            .status,
        403
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "PATCH", &of(&ana), Some(json!({"role": "admin"})))
            .await
            .status,
        409
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "DELETE", &of(&ana), None)
            .await
            .status,
        409,
        "the last owner stays"
    );
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
    assert_eq!(
        replica
            .as_bearer(bia_token, "PATCH", "/api/workspace", Some(json!({"name": "B"})))
            .await
            .status,
        200
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "PATCH", &of(&bia), Some(json!({"role": "viewer"})))
            .await
            .status,
        200
    );
    assert_eq!(
        replica
            .as_bearer(bia_token, "PATCH", "/api/workspace", Some(json!({"name": "C"})))
            .await
            .status,
        403
    );
    assert_eq!(
        service
            .as_bearer(bia_token, "DELETE", &of(&caio), None)
            .await
            .status,
        403,
        "a viewer takes nobody out"
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "DELETE", &of(&bia), None)
            .await
            .status,
        204
    );
    assert_eq!(
        replica
            .as_bearer(bia_token, "GET", "/api/workspace", None)
            .await
            .status,
        401
    );
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

pub async fn a_forgotten_password_is_replaced_once(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let known = service
        .post("/api/auth/password-reset", json!({"email": "ANA@example.org"}))
        .await;
    let unknown = service
        .post("/api/auth/password-reset", json!({"email": "nobody@example.org"}))
        .await;
    assert_eq!((known.status, &known.body), (202, &unknown.body));
    assert_eq!(unknown.status, 202);
    db::statements! { LETTERS = "test.letters", "select payload from outbox where topic = 'mail'"; }
    let letters = service
        .db
        .all(&Scope::system(), LETTERS, Vec::new())
        .await
        .unwrap();
    assert_eq!(
        (letters.len(), STATEMENTS.len()),
        (1, 1),
        "one letter, to the one who exists"
    );
    let letter: Value = letters[0].get("payload").unwrap();
    assert_eq!(letter["to"], "ana@example.org");
    let confirm = |password: &str| json!({"token": letter["token"], "password": password});
    assert_eq!(
        service
            .post("/api/auth/password-reset/confirm", confirm("short"))
            .await
            .status,
        422
    );
    assert_eq!(
        service
            .post("/api/auth/password-reset/confirm", confirm("another good one"))
            .await
            .status,
        204
    );
    assert_eq!(me(&service, &ana).await.status, 401, "all sessions end");
    assert_eq!(
        service
            .post("/api/auth/password-reset/confirm", confirm("and yet another"))
            .await
            .status,
        410
    );
    service.sign_in("ana", "another good one").await;
    service
        .post("/api/auth/password-reset", json!({"email": "ana@example.org"}))
        .await;
    let letters = service
        .db
        .all(&Scope::system(), LETTERS, Vec::new())
        .await
        .unwrap();
    let tokens: Vec<Value> = letters
        .iter()
        .map(|row| row.get::<Value>("payload").unwrap()["token"].clone())
        .collect();
    let late = tokens
        .into_iter()
        .find(|token| *token != letter["token"])
        .unwrap();
    service.clock.pass(Duration::from_secs(30 * 60));
    let answer = service
        .post(
            "/api/auth/password-reset/confirm",
            json!({"token": late, "password": "much too late now"}),
        )
        .await;
    assert_eq!(answer.status, 410, "after half an hour");
}

pub async fn changing_the_password_ends_the_other_sessions(engine: Engine) {
    let service = Service::start(engine).await;
    let (first, second) = (
        service.person("ana").await,
        service.sign_in("ana", PASSWORD).await,
    );
    let body = |present: &str| Some(json!({"current_password": present, "new_password": "a brand new one"}));
    assert_eq!(
        service
            .as_bearer(&first.token, "POST", "/api/auth/password", body("wrong one"))
            .await
            .status,
        401
    );
    assert_eq!(
        service
            .as_bearer(&first.token, "POST", "/api/auth/password", body(PASSWORD))
            .await
            .status,
        204
    );
    assert_eq!(
        (
            me(&service, &first).await.status,
            me(&service, &second).await.status
        ),
        (200, 401)
    );
    service.sign_in("ana", "a brand new one").await;
}

pub async fn the_set_up_token_makes_one_administrator(engine: Engine) {
    let service = Service::start(engine).await;
    let first = service.app.identity().setup_token().await.unwrap().unwrap();
    let second = service.app.identity().setup_token().await.unwrap().unwrap();
    let body = |token: &str, name: &str| json!({"token": token, "username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
    assert_eq!(
        service
            .post("/api/setup", body(first.reveal(), "root"))
            .await
            .status,
        401,
        "replaced by the second"
    );
    assert_eq!(
        service
            .post("/api/setup", body(second.reveal(), "root"))
            .await
            .status,
        201
    );
    assert_eq!(
        service
            .post("/api/setup", body(second.reveal(), "thief"))
            .await
            .status,
        401,
        "used"
    );
    assert!(service.app.identity().setup_token().await.unwrap().is_none());
    let root = service.sign_in("root", PASSWORD).await;
    let statistics = service
        .as_bearer(&root.token, "GET", "/api/admin/statistics", None)
        .await;
    assert_eq!(
        (
            &statistics.body["counts"]["users"],
            &statistics.body["counts"]["items"]
        ),
        (&json!(1), &json!(0))
    );
    let demo = service.app.identity().create_demo_accounts().await.unwrap();
    assert_ne!(demo[0].password, demo[1].password);
    service
        .sign_in(&demo[1].username, demo[1].password.reveal())
        .await;
    let users = service
        .as_bearer(
            &root.token,
            "GET",
            "/api/admin/users?limit=1&text=DEMO&with_total=true",
            None,
        )
        .await;
    assert_eq!(
        (&users.body["total"], &users.body["pagination"]["has_more"]),
        (&json!(3), &json!(true)),
        "{}",
        users.body
    );
    let cursor = users.body["pagination"]["next_cursor"].as_str().unwrap();
    let next = service
        .as_bearer(
            &root.token,
            "GET",
            &format!("/api/admin/users?limit=2&text=demo&cursor={cursor}"),
            None,
        )
        .await;
    assert_eq!(
        (
            next.body["data"].as_array().unwrap().len(),
            &next.body["pagination"]["has_more"]
        ),
        (2, &json!(false))
    );
}

fn context(person: &Person, tier: Tier) -> app::Ctx {
    let caller = domain::caller::Caller {
        user_id: person.user_id.parse().unwrap(),
        workspace_id: person.workspace_id.parse().unwrap(),
        role: domain::identity::Role::Owner,
        tier,
        platform_admin: false,
        credential: domain::caller::Credential::Token(person.session_id.parse().unwrap()),
    };
    app::Ctx {
        caller,
        address: "127.0.0.1".into(),
        request_id: "test".into(),
        meter: db::Meter::counting(),
    }
}

/// Runs `work` in eight tasks at once and counts the successes.
async fn eight<F: Future<Output = bool> + Send + 'static>(work: impl Fn(usize) -> F) -> usize {
    let tasks: Vec<_> = (0..8).map(|number| tokio::spawn(work(number))).collect();
    let mut sum = 0;
    for task in tasks {
        sum += usize::from(task.await.unwrap());
    }
    sum
}

pub async fn eight_callers_at_once_stay_within_a_limit(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let ctx = context(&ana, Tier::Basic);
    let allowed = usize::try_from(Tier::Basic.allowed(Limit::Circuits).unwrap()).unwrap();
    let done = eight(|_| {
        let (app, ctx) = (service.app.clone(), ctx.clone());
        async move {
            let step = app.limits().count(&ctx, Limit::Circuits, 1).unwrap();
            app.db().run(&ctx.scope(), vec![step]).await.is_ok()
        }
    })
    .await;
    assert_eq!(done, allowed);
    let step = service.app.limits().count(&ctx, Limit::Circuits, 1).unwrap();
    let error = service.db.run(&ctx.scope(), vec![step]).await.unwrap_err();
    let refused = service.app.limits().explain(&ctx, Limit::Circuits, error).await;
    assert_eq!(
        (
            refused.code.as_str(),
            &refused.details["used"],
            &refused.details["allowed"]
        ),
        ("limit_exceeded", &json!(5), &json!(5))
    );
    let freed = service.app.limits().release(&ctx, Limit::Circuits, 1).unwrap();
    let again = service.app.limits().count(&ctx, Limit::Circuits, 1).unwrap();
    service.db.run(&ctx.scope(), vec![freed, again]).await.unwrap();
    assert!(
        service
            .app
            .limits()
            .count(&context(&ana, Tier::Enterprise), Limit::Circuits, 1)
            .is_none(),
        "no limit, no write"
    );
}

pub async fn the_tier_bounds_the_members_and_follows_the_administrator(engine: Engine) {
    let service = Service::start_with(engine, |config| config.default_tier = Tier::Basic).await;
    let root = service.admin().await;
    let ana = service.person("ana").await;
    for name in ["bia", "caio", "davi"] {
        service.person(name).await;
    }
    let add = |name: &str| Some(json!({"user": name, "role": "member"}));
    for name in ["bia", "caio"] {
        assert_eq!(
            service
                .as_bearer(&ana.token, "POST", "/api/members", add(name))
                .await
                .status,
            201
        );
    }
    let refused = service
        .as_bearer(&ana.token, "POST", "/api/members", add("davi"))
        .await;
    assert_eq!(
        (
            refused.status,
            &refused.body["limit"],
            &refused.body["used"],
            &refused.body["allowed"]
        ),
        (403, &json!("members"), &json!(3), &json!(3))
    );
    let path = format!("/api/admin/users/{}/tier", ana.user_id);
    let tier = |name: &str| Some(json!({"tier": name}));
    assert_eq!(
        service
            .as_bearer(&root.token, "PUT", &path, tier("enterprise"))
            .await
            .body["tier"],
        "enterprise"
    );
    assert_eq!(
        service
            .as_bearer(&ana.token, "POST", "/api/members", add("davi"))
            .await
            .status,
        201,
        "at the next request"
    );
    assert_eq!(
        service
            .as_bearer(&root.token, "PUT", &path, tier("basic"))
            .await
            .status,
        200
    );
    let usage = service
        .as_bearer(&ana.token, "GET", "/api/workspace/usage", None)
        .await;
    let members = usage.body["limits"]
        .as_array()
        .unwrap()
        .iter()
        .find(|limit| limit["limit"] == "members")
        .unwrap();
    assert_eq!(
        (&members["used"], &members["allowed"]),
        (&json!(4), &json!(3)),
        "counted anew"
    );
}

pub async fn eight_debits_at_once_never_overdraw_and_the_ledger_sums_to_zero(engine: Engine) {
    let service = Service::start_with(engine, |config| {
        config.costs.set(CostedOperation::Push, Tier::Enterprise, 10)
    })
    .await;
    let root = service.admin().await;
    let ana = service.person("ana").await;
    let path = format!("/api/admin/users/{}/credits", ana.user_id);
    let grant = service
        .as_bearer(
            &root.token,
            "POST",
            &path,
            Some(json!({"amount": 55, "reason": "welcome"})),
        )
        .await;
    assert_eq!(grant.body["balance"], 55, "{}", grant.body);
    let ctx = context(&ana, Tier::Enterprise);
    let debit = |app: app::App, ctx: app::Ctx| async move {
        let debit = app
            .credits()
            .debit(&ctx, CostedOperation::Push, 1, "test")
            .unwrap()
            .unwrap();
        app.db().run(&ctx.scope(), debit.steps).await.map(|_| debit.id)
    };
    let done = eight(|_| {
        let work = debit(service.app.clone(), ctx.clone());
        async move {
            let result = work.await;
            let refused = result
                .as_ref()
                .is_err_and(|error| !app::credits::lacked_cover(error));
            assert!(!refused, "{result:?}");
            result.is_ok()
        }
    })
    .await;
    assert_eq!((done, service.app.credits().balance(&ctx).await.unwrap()), (5, 5));
    let error = debit(service.app.clone(), ctx.clone()).await.unwrap_err();
    let refused = service
        .app
        .credits()
        .explain(&ctx, CostedOperation::Push, 1, error)
        .await;
    assert_eq!(
        (
            refused.code.status(),
            &refused.details["cost"],
            &refused.details["balance"]
        ),
        (402, &json!(10), &json!(5))
    );
    let body = json!({"user_ids": [ana.user_id, root.user_id], "amount": 5, "reason": "bulk"});
    assert_eq!(
        service
            .as_bearer(&root.token, "POST", "/api/admin/credits/grants", Some(body))
            .await
            .status,
        204
    );
    let paid = debit(service.app.clone(), ctx.clone()).await.unwrap();
    for _ in 0..2 {
        service.app.credits().refund(&ctx, paid).await.unwrap();
    }
    let shown = service.as_bearer(&ana.token, "GET", "/api/credits", None).await;
    assert_eq!(shown.body["balance"], 10, "refunded once");
    let history = service
        .as_bearer(&ana.token, "GET", "/api/credits/history?limit=100", None)
        .await;
    let entries = history.body["data"].as_array().unwrap();
    let sum: i64 = entries
        .iter()
        .map(|entry| entry["amount"].as_i64().unwrap())
        .sum();
    assert_eq!((entries.len(), sum), (9, 10));
    let statistics = service
        .as_bearer(&root.token, "GET", "/api/admin/statistics", None)
        .await;
    let ledger: i64 = statistics.body["ledger"]
        .as_object()
        .unwrap()
        .values()
        .map(|sum| sum.as_i64().unwrap())
        .sum();
    assert_eq!(ledger, 0, "{}", statistics.body);
    let other: WorkspaceId = root.workspace_id.parse().unwrap();
    assert_ne!(other, ctx.workspace());
}
