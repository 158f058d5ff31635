//! Getting an account and signing in: names, passwords old, wrong and forgotten.

use std::time::Duration;

use app::identity::SignInLimits;
use db::{Engine, Scope};
use serde_json::{Value, json};

use crate::{
    fixture::{PASSWORD, Service},
    steps::{me, without_ids},
};

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
    service
        .expect_post(422, "/api/auth/password-reset/confirm", confirm("short"))
        .await;
    service
        .expect_post(
            204,
            "/api/auth/password-reset/confirm",
            confirm("another good one"),
        )
        .await;
    assert_eq!(me(&service, &ana).await.status, 401, "all sessions end");
    service
        .expect_post(
            410,
            "/api/auth/password-reset/confirm",
            confirm("and yet another"),
        )
        .await;
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
    service
        .expect_as(401, &first.token, "POST", "/api/auth/password", body("wrong one"))
        .await;
    service
        .expect_as(204, &first.token, "POST", "/api/auth/password", body(PASSWORD))
        .await;
    assert_eq!(
        (
            me(&service, &first).await.status,
            me(&service, &second).await.status
        ),
        (200, 401)
    );
    service.sign_in("ana", "a brand new one").await;
}
