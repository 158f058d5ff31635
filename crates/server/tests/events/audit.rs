//! Refused attempts, from the request to the audit trail and to the incident.

use std::time::Duration;

use app::audit::{Refusal, Refused};
use db::{Engine, Read as _};
use domain::tier::Tier;
use serde_json::{Value, json};
use workers::outbox::{OutboxConfig, OutboxRunner};

use crate::{
    calls::{get, ids, post, workspace},
    fixture::{PASSWORD, Person, Service},
};

async fn fail_to_sign_in(service: &Service, name: &str, times: usize) {
    for _ in 0..times {
        let body = json!({"username": name, "password": "not the right one"});
        assert_eq!(service.post("/api/auth/login", body).await.status, 401);
    }
}

/// What the workers do every few seconds; tells how many incidents were opened.
async fn look(service: &Service) -> u64 {
    service.app.flush_refusals().await.unwrap();
    service.app.open_incidents().await.unwrap()
}

async fn incident_of(service: &Service, person: &Person, rule: &str) -> Value {
    let list = get(service, person, &format!("/api/incidents?rule={rule}&state=open")).await;
    assert_eq!(ids(&list).len(), 1, "{}", list.body);
    list.body["data"][0].clone()
}

pub async fn failed_logins_open_an_incident_until_it_is_resolved(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    fail_to_sign_in(&service, "nobody-at-all", 3).await;
    fail_to_sign_in(&service, "ana", 9).await;
    assert_eq!(look(&service).await, 0, "nine are below the rule");
    fail_to_sign_in(&service, "ANA", 1).await;
    assert_eq!(look(&service).await, 1);
    assert_eq!(look(&service).await, 0, "one, however often the rule looks");
    let denied = get(&service, &ana, "/api/audit?outcome=denied").await;
    let attempts: Vec<_> = denied.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["action"], &entry["target"], &entry["details"]["attempts"]))
        .collect();
    let (action, target) = (&json!("auth.login"), &json!("ana"));
    assert_eq!(
        attempts,
        [(action, target, &json!(1)), (action, target, &json!(9))],
        "equal attempts are one entry: {}",
        denied.body
    );
    assert_eq!(
        service.app.refusal_stats().noted[0],
        (Refused::Login, 13),
        "the name that nobody has is counted, and in no trail"
    );
    let incident = incident_of(&service, &ana, "failed_logins").await;
    assert_eq!(
        (
            &incident["occurrences"],
            &incident["subject"],
            &incident["severity"]
        ),
        (&json!(10), &json!("ana"), &json!("high"))
    );
    let path = format!("/api/incidents/{}", incident["id"].as_str().unwrap());
    assert_eq!(get(&service, &bob, &path).await.status, 404);
    assert!(ids(&get(&service, &bob, "/api/incidents").await).is_empty());
    let assign = |to: &str| json!({ "user_id": to });
    let to_path = format!("{path}/assign");
    let stranger = post(&service, &ana, &to_path, assign(&bob.user_id)).await;
    assert_eq!(stranger.status, 422, "{}", stranger.body);
    let assigned = post(&service, &ana, &to_path, assign(&ana.user_id)).await;
    assert_eq!(
        (
            assigned.status,
            &assigned.body["state"],
            &assigned.body["assigned_to"]
        ),
        (200, &json!("assigned"), &json!(ana.user_id)),
        "{}",
        assigned.body
    );
    let to_path = format!("{path}/resolve");
    let empty = post(&service, &ana, &to_path, json!({"resolution": " "})).await;
    assert_eq!(empty.status, 422, "{}", empty.body);
    let resolution = json!({"resolution": "a forgotten password"});
    let resolved = post(&service, &ana, &to_path, resolution.clone()).await;
    assert_eq!(
        (resolved.status, &resolved.body["state"]),
        (200, &json!("resolved")),
        "{}",
        resolved.body
    );
    let twice = post(&service, &ana, &to_path, resolution).await;
    assert_eq!(
        (twice.status, &twice.body["code"]),
        (409, &json!("invalid_transition"))
    );
    assert_eq!(
        look(&service).await,
        0,
        "what was seen before the resolution opens nothing"
    );
    let steps = get(&service, &ana, "/api/audit?outcome=done").await.body;
    for action in ["incident.assigned", "incident.resolved"] {
        assert!(steps.to_string().contains(action), "{steps}");
    }
}

pub async fn an_incident_is_told_to_those_who_look_after_the_workspace_alone(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let invited = json!({"user": "bob", "role": "viewer"});
    let added = post(&service, &ana, "/api/members", invited).await;
    assert_eq!(added.status, 201, "{}", added.body);
    fail_to_sign_in(&service, "ana", 10).await;
    assert_eq!(look(&service).await, 1);
    let handlers = workers::default_handlers(&service.app);
    let runner = OutboxRunner::new(&service.app, OutboxConfig::default(), handlers);
    while runner.run_once().await.unwrap() > 0 {}
    let scope = db::Scope::system();
    let told = store::live::since(&service.db.scoped(&scope), 0, 500)
        .await
        .unwrap();
    let told: Vec<_> = told.iter().filter(|one| one.topic == "notifications").collect();
    assert_eq!(told.len(), 1, "the owner alone, once: {told:?}");
    assert_eq!(
        (told[0].workspace, told[0].user.map(|user| user.to_string())),
        (workspace(&ana), Some(ana.user_id.clone()))
    );
    let body: Value = serde_json::from_str(told[0].body.get()).unwrap();
    assert_eq!(
        (&body["type"], &body["details"]["rule"]),
        (&json!("incident.opened"), &json!("failed_logins"))
    );
    assert_ne!(bob.user_id, ana.user_id);
}

pub async fn requests_beyond_the_rights_open_an_incident(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    for _ in 0..19 {
        assert_eq!(get(&service, &ana, "/api/admin/users").await.status, 403);
    }
    assert_eq!(look(&service).await, 0, "nineteen are below the rule");
    assert_eq!(get(&service, &ana, "/api/admin/statistics").await.status, 403);
    assert_eq!(look(&service).await, 1);
    let incident = incident_of(&service, &ana, "denied_access").await;
    assert_eq!(
        (&incident["subject"], &incident["occurrences"]),
        (&json!(ana.user_id), &json!(20))
    );
    let trail = get(&service, &ana, "/api/audit?action=access").await;
    assert_eq!(trail.body["data"][1]["target"], "GET /api/admin/users");
    assert_eq!(trail.body["data"][1]["user_id"], json!(ana.user_id));
    assert!(ids(&get(&service, &bob, "/api/audit?action=access").await).is_empty());
}

pub async fn trying_ids_opens_an_incident_and_daily_work_does_not(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let clumsy = service.person("clumsy").await;
    let absent = |number: u32| format!("/api/items/local/lot-{number}");
    for number in 0..9 {
        assert_eq!(get(&service, &ana, &absent(number)).await.status, 404);
    }
    for number in 0..99 {
        assert_eq!(get(&service, &clumsy, &absent(number)).await.status, 404);
        assert_eq!(get(&service, &bob, &absent(number)).await.status, 404);
    }
    // The hundredth is what tells them apart.
    assert_eq!(get(&service, &bob, &absent(99)).await.status, 404);
    assert_eq!(look(&service).await, 1);
    assert!(
        ids(&get(&service, &ana, "/api/audit?outcome=denied").await).is_empty(),
        "a few misses are nobody's business"
    );
    let incident = incident_of(&service, &bob, "probing").await;
    assert_eq!(
        (&incident["subject"], &incident["occurrences"]),
        (&json!(bob.user_id), &json!(100))
    );
}

pub async fn a_misused_key_opens_an_incident(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let body = json!({"name": "reader", "scopes": ["items:read"], "routes": ["/api/items", "/api/events"]});
    let made = post(&service, &ana, "/api/api-keys", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let key = made.body["secret"].as_str().unwrap();
    let wrong = format!(
        "{}{}",
        &key[..key.len() - 1],
        if key.ends_with('A') { 'B' } else { 'A' }
    );
    let with = async |key: &str, path: &str| service.as_bearer(key, "GET", path, None).await.status;
    assert_eq!(with(key, "/api/items").await, 200);
    assert_eq!(with(&wrong, "/api/items").await, 401, "the secret is wrong");
    assert_eq!(with(&wrong, "/api/items").await, 401);
    assert_eq!(with(key, "/api/jobs").await, 403, "the route is not the key's");
    assert_eq!(with(key, "/api/events").await, 403, "the scope is not the key's");
    assert_eq!(look(&service).await, 0, "four are below the rule");
    assert_eq!(
        with("fg_0_0", "/api/items").await,
        401,
        "nobody's key is in no trail"
    );
    assert_eq!(look(&service).await, 0);
    assert_eq!(with(key, "/api/events").await, 403);
    assert_eq!(look(&service).await, 1);
    let incident = incident_of(&service, &ana, "key_misuse").await;
    assert_eq!(
        (&incident["subject"], &incident["occurrences"]),
        (&made.body["id"], &json!(5))
    );
    assert_eq!(service.sign_in("ana", PASSWORD).await.user_id, ana.user_id);
}

pub async fn a_flood_of_refusals_stays_a_few_entries(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    for number in 0..5_000 {
        service.app.note_refusal(Refusal {
            workspace: workspace(&ana),
            actor: None,
            what: Refused::Login,
            target: "ana",
            address: &format!("2001:db8::{number:x}"),
        });
    }
    service.app.note_refusal(Refusal {
        workspace: workspace(&bob),
        actor: None,
        what: Refused::Login,
        target: "bob",
        address: "203.0.113.9",
    });
    assert_eq!(service.app.flush_refusals().await.unwrap(), 34);
    let written = get(&service, &ana, "/api/audit?outcome=denied&limit=100").await;
    let attempts = |entry: &Value| entry["details"]["attempts"].as_u64().unwrap();
    let list = written.body["data"].as_array().unwrap();
    assert_eq!(
        (list.len(), list.iter().map(attempts).sum::<u64>()),
        (33, 5_000),
        "every attempt is counted, few are kept apart"
    );
    let of_bob = get(&service, &bob, "/api/audit?outcome=denied").await;
    assert_eq!(
        of_bob.body["data"][0]["address"], "203.0.113.9",
        "one's flood leaves others their place"
    );
    assert_eq!(
        service.app.flush_refusals().await.unwrap(),
        0,
        "each is written once"
    );
}

pub async fn what_changes_who_may_do_what_is_in_the_trail(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let send = async |method: &str, path: &str, body: Value| {
        let answer = service.as_bearer(&ana.token, method, path, Some(body)).await;
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        answer.body
    };
    let of_bob = format!("/api/members/{}", bob.user_id);
    send("POST", "/api/members", json!({"user": "bob", "role": "viewer"})).await;
    send("PATCH", &of_bob, json!({"role": "member"})).await;
    send("DELETE", &of_bob, json!({})).await;
    let key = send(
        "POST",
        "/api/api-keys",
        json!({"name": "k", "scopes": ["items:read"]}),
    )
    .await;
    let of_key = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
    let next = send("POST", &format!("{of_key}/rotate"), json!({})).await;
    send(
        "DELETE",
        &format!("/api/api-keys/{}", next["id"].as_str().unwrap()),
        json!({}),
    )
    .await;
    send("PATCH", "/api/workspace", json!({"name": "The valley"})).await;
    let new = json!({"current_password": PASSWORD, "new_password": "another good secret"});
    send("POST", "/api/auth/password", new).await;
    let trail = get(&service, &ana, "/api/audit?outcome=done&limit=100").await;
    assert_eq!(trail.status, 200, "{}", trail.body);
    let list = trail.body["data"].as_array().unwrap();
    let mut actions: Vec<_> = list.iter().map(|one| one["action"].as_str().unwrap()).collect();
    actions.reverse();
    assert_eq!(
        actions,
        [
            "member.added",
            "member.role_changed",
            "member.removed",
            "api_key.created",
            "api_key.rotated",
            "api_key.revoked",
            "workspace.updated",
            "password.changed",
        ]
    );
    assert!(
        list.iter()
            .all(|one| one["user_id"] == json!(ana.user_id) && one["leaf_id"].is_string())
    );
    assert_eq!(
        list.iter().rev().nth(1).unwrap()["details"],
        json!({"from": "viewer", "to": "member"})
    );
    let text = trail.body.to_string();
    assert!(!text.contains("another good secret") && !text.contains(key["secret"].as_str().unwrap()));
    let exported = service.text(&ana.token, "/api/audit/export?outcome=done").await;
    assert_eq!(exported.lines().count(), 8);
    assert!(ids(&get(&service, &bob, "/api/audit").await).is_empty());
}

db::statements! {
    /// What the log keeps of a trail.
    LEAVES = "test.audit_leaves", "select count(*) as n from leaves where workspace_id = $1 and kind = 'audit'";
    /// The mail that waits.
    MAIL = "test.mail", "select payload from outbox where topic = 'mail'";
}

pub async fn the_trail_is_kept_as_long_as_the_tier_says(engine: Engine) {
    let service = Service::start_with(engine, |config| config.default_tier = Tier::Basic).await;
    service.person("ana").await;
    let entries = async |person: &Person| ids(&get(&service, person, "/api/audit").await).len();
    fail_to_sign_in(&service, "ana", 1).await;
    service.app.flush_refusals().await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    service.clock.pass(20 * day);
    let ana = service.sign_in("ana", PASSWORD).await;
    fail_to_sign_in(&service, "ana", 1).await;
    service.app.flush_refusals().await.unwrap();
    assert_eq!(
        service.app.retain_audit().await.unwrap(),
        0,
        "thirty days are not over"
    );
    assert_eq!(entries(&ana).await, 2);
    service.clock.pass(11 * day);
    assert_eq!(service.app.retain_audit().await.unwrap(), 1);
    let ana = service.sign_in("ana", PASSWORD).await;
    assert_eq!(entries(&ana).await, 1, "the younger one stays");
    let scope = db::Scope::system();
    let args = vec![db::Value::Uuid(workspace(&ana).uuid())];
    let leaves = service.db.scoped(&scope).one(LEAVES, args).await.unwrap();
    assert_eq!(leaves.get::<i64>("n").unwrap(), 2, "both leaves stay");
}

pub async fn activities_and_closed_incidents_are_kept_as_long(engine: Engine) {
    let service = Service::start_with(engine, |config| config.default_tier = Tier::Basic).await;
    let ana = service.person("ana").await;
    // More than one batch of what is old, and one each of what is young.
    let entry = |number: u128| {
        let new = store::records::NewActivity {
            workspace: workspace(&ana),
            id: uuid::Uuid::from_u128(number).into(),
            circuit: None,
            actor: ana.user_id.parse().unwrap(),
            action: "item.weighed",
            target: "cow",
            details: store::bind::json(&json!({})),
        };
        store::records::insert_activity(new, service.app.clock().now())
    };
    let old = (1..=1_100).map(entry).collect();
    service.db.run(&db::Scope::system(), old).await.unwrap();
    fail_to_sign_in(&service, "ana", 10).await;
    assert_eq!(look(&service).await, 1);
    let incidents = async |person: &Person, state: &str| {
        let path = format!("/api/incidents?state={state}");
        let list = get(&service, person, &path).await;
        ids(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let closed = incidents(&ana, "open").await.remove(0);
    let resolution = json!({"resolution": "it was her"});
    let path = format!("/api/incidents/{closed}/resolve");
    assert_eq!(post(&service, &ana, &path, resolution).await.status, 200);
    let now = service.app.clock().now();
    let seen = store::incidents::Sighting {
        workspace: workspace(&ana),
        id: uuid::Uuid::from_u128(1).into(),
        rule: "failed_logins",
        severity: "high",
        subject: "nobody looked",
        occurrences: 10,
        last_at: now,
    };
    let opened = store::incidents::sight(&service.db, &seen, Vec::new(), now).await;
    assert!(opened.unwrap(), "as old as the other, and left open");
    let day = Duration::from_secs(24 * 3600);
    service.clock.pass(20 * day);
    service
        .db
        .run(&db::Scope::system(), vec![entry(2_000)])
        .await
        .unwrap();
    let ana = service.sign_in("ana", PASSWORD).await;
    let left = async |person: &Person| {
        let list = get(&service, person, "/api/activity?with_total=true").await.body;
        let closed = incidents(person, "resolved").await.len();
        (
            list["total"].clone(),
            closed,
            incidents(person, "open").await.len(),
        )
    };
    service.app.retain_audit().await.unwrap();
    assert_eq!(left(&ana).await, (json!(1_101), 1, 1), "thirty days are not over");
    service.clock.pass(11 * day);
    let ana = service.sign_in("ana", PASSWORD).await;
    service.app.retain_audit().await.unwrap();
    assert_eq!(left(&ana).await, (json!(1), 0, 1), "what is young or open stays");
}

pub async fn the_compliance_report_counts_real_records_and_says_what_it_leaves_out(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    fail_to_sign_in(&service, "ana", 10).await;
    assert_eq!(look(&service).await, 1);
    let made = post(
        &service,
        &ana,
        "/api/members",
        json!({"user": "bob", "role": "viewer"}),
    )
    .await;
    assert_eq!(made.status, 201, "{}", made.body);
    service.clock.pass(Duration::from_secs(1));
    let report = get(&service, &ana, "/api/audit/report").await;
    assert_eq!(report.status, 200, "{}", report.body);
    assert_eq!(
        report.body["audited"],
        json!([
            {"action": "auth.login", "outcome": "denied", "count": 1},
            {"action": "member.added", "outcome": "done", "count": 1},
        ])
    );
    assert_eq!(
        report.body["incidents"],
        json!([{"what": "failed_logins", "state": "open", "count": 1}])
    );
    assert_eq!(
        report.body["leaves"],
        json!([{"what": "audit", "state": "unsequenced", "count": 2}])
    );
    let left_out = report.body["not_covered"].to_string();
    for words in [
        "older than 365 days",
        "2 leaves are recorded",
        "reading is not audited",
    ] {
        assert!(left_out.contains(words), "{left_out}");
    }
    let of_bob = get(&service, &bob, "/api/audit/report").await;
    assert_eq!(of_bob.body["audited"], json!([]), "{}", of_bob.body);
    let later = get(
        &service,
        &ana,
        "/api/audit/report?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z",
    )
    .await;
    assert_eq!(
        (&later.body["audited"], &later.body["leaves"]),
        (&json!([]), &json!([]))
    );
    let wrong = get(
        &service,
        &ana,
        "/api/audit/report?from=2020-02-01T00:00:00Z&to=2020-01-01T00:00:00Z",
    )
    .await;
    assert_eq!(wrong.status, 422, "{}", wrong.body);
}

pub async fn a_refresh_token_that_comes_twice_is_in_the_trail(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let again = || async {
        let body = json!({"refresh_token": ana.refresh_token});
        service.post("/api/auth/refresh", body).await.status
    };
    assert_eq!(again().await, 200);
    assert_eq!(again().await, 401, "the second use ends the session");
    // Her session is over; another one of hers reads the trail, before any worker has looked.
    let reader = service.sign_in("ana", PASSWORD).await;
    let path = "/api/audit?action=auth.refresh_reused&with_total=true";
    let trail = get(&service, &reader, path).await.body;
    assert_eq!(trail["total"], 1, "{trail}");
    let entry = &trail["data"][0];
    assert_eq!(
        (&entry["outcome"], &entry["target"], &entry["details"]["user_id"]),
        (&json!("denied"), &json!(ana.session_id), &json!(ana.user_id)),
        "{entry}"
    );
    assert!(
        entry["address"] == "127.0.0.1" && entry["leaf_id"].is_string(),
        "{entry}"
    );
    assert!(ids(&get(&service, &bob, path).await).is_empty(), "nobody else's");
    // Whoever goes on makes counters rise, not entries.
    for _ in 0..3 {
        assert_eq!(again().await, 401);
    }
    look(&service).await;
    let trail = get(&service, &reader, path).await.body;
    assert_eq!(trail["total"], 1, "{trail}");
    let denied = get(&service, &reader, "/api/audit?action=auth.login&outcome=denied").await;
    assert_eq!(
        denied.body["data"][0]["details"]["attempts"], 3,
        "{}",
        denied.body
    );
}

pub async fn a_password_that_was_reset_is_in_the_trail(engine: Engine) {
    let service = Service::start(engine).await;
    service.person("ana").await;
    let body = json!({"email": "ana@example.org"});
    assert_eq!(service.post("/api/auth/password-reset", body).await.status, 202);
    let scope = db::Scope::system();
    let mail = service.db.scoped(&scope).one(MAIL, Vec::new()).await.unwrap();
    let mail: Value = serde_json::from_str(&mail.get::<db::JsonText>("payload").unwrap().0).unwrap();
    let body = json!({"token": mail["token"], "password": "another horse battery"});
    let confirmed = service.post("/api/auth/password-reset/confirm", body).await;
    assert_eq!(confirmed.status, 204, "{}", confirmed.body);
    let ana = service.sign_in("ana", "another horse battery").await;
    let trail = get(&service, &ana, "/api/audit?action=password.reset").await.body;
    assert_eq!(
        (&trail["data"][0]["user_id"], &trail["data"][0]["outcome"]),
        (&json!(ana.user_id), &json!("done")),
        "{trail}"
    );
}
