//! Every route the router has, as every kind of caller; and hidden things beside absent ones.

use std::collections::HashMap;

use app::audit::{Refusal, Refused};
use axum::{body::Body, extract::Request};
use db::Engine;
use domain::{
    dfid::Dfid,
    identity::{ApiScope, Role},
    ids::Timestamp,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use server::{
    edge::Peer,
    policy::{Access, Policy},
};

use crate::{
    farm::{gtin, text, without_ids},
    fixture::{PASSWORD, Person, Service},
};

const ABSENT: &str = "01900000-0000-7000-8000-00000000abcd";

/// Who calls, and what they come with.
struct Walker {
    name: &'static str,
    role: Option<Role>,
    platform_admin: bool,
    person: Person,
    home: bool,
}

/// The head of the answer, and the body if it is a problem: a stream of events has no end to wait for.
pub async fn head(
    service: &Service,
    credential: Option<&str>,
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    if let Some(credential) = credential {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        Body::from(body.to_string())
    };
    let peer = Peer {
        address: [127, 0, 0, 1].into(),
        https: false,
    };
    let answer = service.edge.handle(request.body(body).unwrap(), peer).await;
    let status = answer.status().as_u16();
    if status < 400 {
        return (status, Value::Null);
    }
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub fn filled(pattern: &str, value_of: impl Fn(&str) -> String) -> String {
    let mut path = String::new();
    for segment in pattern.split('/').skip(1) {
        path.push('/');
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => path.push_str(&value_of(name)),
            None => path.push_str(segment),
        }
    }
    path
}

/// A DFID that reads well and stands for nothing.
fn absent_dfid(number: u8) -> String {
    Dfid::new(Timestamp::from_secs(1_800_000_000), [number; 10]).to_string()
}

pub fn absent(name: &str) -> String {
    match name {
        "dfid" => absent_dfid(7),
        "role" | "local_id" => "absent".to_owned(),
        "slug" => "0".repeat(32),
        _ => ABSENT.to_owned(),
    }
}

/// Whether the edge's policy refused, rather than the handler for a reason of its own.
fn by_policy(answer: &(u16, Value)) -> bool {
    let detail = answer.1["detail"].as_str().unwrap_or_default();
    let words = [
        "needs the workspace role",
        "only the people who run the platform",
        "the API key lacks",
        "not open to API keys",
    ];
    answer.0 == 403 && words.iter().any(|word| detail.contains(word))
}

fn admits(policy: &Policy, role: Option<Role>, platform_admin: bool) -> bool {
    match policy.access() {
        Access::Public | Access::Optional | Access::Authenticated => true,
        Access::Role(least) => role.is_some_and(|role| role >= least),
        Access::PlatformAdmin => platform_admin,
    }
}

async fn walkers(service: &Service) -> Vec<Walker> {
    let root = service.admin().await;
    let owner = service.person("ana").await;
    let mut walkers = vec![
        Walker {
            name: "root",
            role: Some(Role::Owner),
            platform_admin: true,
            person: root,
            home: true,
        },
        Walker {
            name: "ana",
            role: Some(Role::Owner),
            platform_admin: false,
            person: owner.clone(),
            home: true,
        },
        Walker {
            name: "stranger",
            role: Some(Role::Owner),
            platform_admin: false,
            person: service.person("stranger").await,
            home: true,
        },
    ];
    for (name, role) in [
        ("adam", Role::Admin),
        ("mem", Role::Member),
        ("vera", Role::Viewer),
    ] {
        service.person(name).await;
        let body = json!({"user": name, "role": role});
        service.expect(201, &owner, "POST", "/api/members", body).await;
        let mut walker = Walker {
            name,
            role: Some(role),
            platform_admin: false,
            person: owner.clone(),
            home: false,
        };
        walker.sign_in(service, &owner.workspace_id).await;
        walkers.push(walker);
    }
    walkers
}

impl Walker {
    async fn sign_in(&mut self, service: &Service, workspace: &str) {
        self.person = service.sign_in(self.name, PASSWORD).await;
        if !self.home {
            let body = json!({"workspace_id": workspace});
            let switched = service
                .expect(200, &self.person, "POST", "/api/auth/switch-workspace", body)
                .await;
            self.person.token = text(&switched, "token");
        }
    }
}

async fn key(service: &Service, person: &Person, scope: ApiScope) -> String {
    let body = json!({"name": scope.as_str(), "scopes": [scope]});
    text(
        &service.expect(201, person, "POST", "/api/api-keys", body).await,
        "secret",
    )
}

pub async fn every_route_answers_each_caller_as_its_policy_says(engine: Engine) {
    let service = Service::start(engine).await;
    let mut walkers = walkers(&service).await;
    let workspace = walkers[1].person.workspace_id.clone();
    let root = walkers[0].person.clone();
    let left = service.person("left").await;
    service
        .expect(204, &left, "POST", "/api/auth/logout", Value::Null)
        .await;
    let frozen = service.person("frozen").await;
    let path = format!("/api/admin/users/{}/freeze", frozen.user_id);
    service
        .expect(200, &root, "POST", &path, json!({"reason": "test"}))
        .await;
    let keys: HashMap<_, _> = {
        let mut keys = HashMap::new();
        for scope in ApiScope::ALL {
            // Only who runs the platform gives the scopes of its administration.
            let giver = if scope.as_str().starts_with("admin") {
                &root
            } else {
                &walkers[1].person
            };
            keys.insert(*scope, key(&service, giver, *scope).await);
        }
        keys
    };
    let endpoints = service.edge.endpoints().to_vec();
    assert!(endpoints.len() > 100, "{} routes", endpoints.len());
    let mut wrong = Vec::new();
    for endpoint in &endpoints {
        let (method, policy) = (endpoint.method.as_str(), &endpoint.policy);
        let path = filled(endpoint.path, absent);
        let body = if matches!(method, "GET" | "DELETE") {
            Value::Null
        } else {
            json!({})
        };
        let open = matches!(policy.access(), Access::Public | Access::Optional);
        let mut told = |who: &str, answer: &(u16, Value), right: bool| {
            if !right || answer.0 == 500 {
                wrong.push(format!(
                    "{method} {} as {who}: {} {}",
                    endpoint.path, answer.0, answer.1
                ));
            }
        };
        if !open {
            for (who, credential) in [
                ("nobody", None),
                ("signed out", Some(&*left.token)),
                ("a forger", Some("x.y.z")),
            ] {
                let answer = head(&service, credential, method, &path, &body).await;
                told(who, &answer, answer.0 == 401);
            }
            let answer = head(&service, Some(&frozen.token), method, &path, &body).await;
            told(
                "a frozen account",
                &answer,
                answer.1["code"] == "account_not_active",
            );
            for scope in keys.keys() {
                let fits = policy.scope() == Some(*scope);
                let usual = matches!(scope, ApiScope::ItemsRead | ApiScope::CircuitsRead);
                if fits || usual {
                    let answer = head(&service, Some(&keys[scope]), method, &path, &body).await;
                    let platform =
                        policy.access() == Access::PlatformAdmin && !scope.as_str().starts_with("admin");
                    told(
                        "a key",
                        &answer,
                        answer.0 != 401 && by_policy(&answer) == (!fits || platform),
                    );
                }
            }
        }
        for walker in &mut walkers {
            let answer = head(&service, Some(&walker.person.token), method, &path, &body).await;
            let right = if open {
                !by_policy(&answer)
            } else {
                answer.0 != 401 && by_policy(&answer) != admits(policy, walker.role, walker.platform_admin)
            };
            told(walker.name, &answer, right);
            let ends_sessions = ["/api/auth", "/api/sessions"]
                .iter()
                .any(|start| path.starts_with(start));
            if ends_sessions && method != "GET" {
                walker.sign_in(&service, &workspace).await;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} routes:\n{}",
        wrong.len(),
        endpoints.len(),
        wrong.join("\n")
    );
}

/// What one owner has, by the name of the path parameter; `id` by the path's beginning.
async fn possessions(service: &Service, ana: &Person) -> HashMap<&'static str, String> {
    let settings = json!({"approvals": {"push": true, "pull": true}});
    let circuit = service.circuit(ana, settings).await;
    let local = service.local(ana, json!([gtin(1)]), json!({})).await;
    let pushed = service.push(ana, &circuit, &local).await.body;
    let role = json!({"name": "packer", "permissions": ["push"]});
    service
        .expect(201, ana, "POST", &format!("{circuit}/roles"), role)
        .await;
    let guest = service.person("guest").await;
    let invite = json!({"username": "guest", "role": "packer"});
    let invitation = service
        .expect(201, ana, "POST", &format!("{circuit}/invitations"), invite)
        .await;
    let public = json!({"public": {"enabled": true}});
    service.expect(200, ana, "PATCH", &circuit, public).await;
    let request = service
        .expect(
            201,
            &guest,
            "POST",
            &format!("{circuit}/join-requests"),
            json!({}),
        )
        .await;
    service
        .expect(200, ana, "PATCH", &circuit, json!({"public": {"enabled": false}}))
        .await;
    let plain = service.circuit(ana, json!({})).await;
    for number in [2, 3] {
        let local = service.local(ana, json!([gtin(number)]), json!({})).await;
        assert_eq!(service.push(ana, &plain, &local).await.status, 201);
    }
    let both = service.local(ana, json!([gtin(2), gtin(3)]), json!({})).await;
    let conflict = service.push(ana, &plain, &both).await.body;
    let event = json!({"event_type": "weighed", "dfid": pushed["dfid"], "visibility": "private"});
    let event = service.expect(201, ana, "POST", "/api/events", event).await;
    let key = json!({"name": "k", "scopes": ["items:read"]});
    let key = service.expect(201, ana, "POST", "/api/api-keys", key).await;
    let job = service
        .expect(201, ana, "POST", "/api/jobs", json!({"kind": "export"}))
        .await;
    for _ in 0..10 {
        service.app.note_refusal(Refusal {
            workspace: ana.workspace_id.parse().unwrap(),
            actor: None,
            what: Refused::Login,
            target: "ana",
            address: "127.0.0.1",
        });
    }
    service.app.flush_refusals().await.unwrap();
    service.app.open_incidents().await.unwrap();
    let incidents = service.get(ana, "/api/incidents").await.body;
    let circuit_id = circuit.trim_start_matches("/api/circuits/").to_owned();
    HashMap::from([
        ("slug", circuit_id.replace('-', "")),
        ("circuit_id", circuit_id),
        ("local_id", local),
        ("dfid", text(&pushed, "dfid")),
        ("operation_id", text(&pushed, "operation_id")),
        ("role", "packer".to_owned()),
        ("user_id", ana.user_id.clone()),
        ("invitation_id", text(&invitation, "id")),
        ("request_id", text(&request, "id")),
        ("pending_item_id", text(&conflict, "pending_item_id")),
        ("event_id", text(&event, "id")),
        ("incident_id", text(&incidents["data"][0], "id")),
        ("job_id", text(&job, "id")),
        ("api-keys", text(&key, "id")),
        ("sessions", ana.session_id.clone()),
    ])
}

/// A body that the route takes, so that the answer is about the thing and not about the body.
fn fitting(method: &str, pattern: &str, has: &HashMap<&'static str, String>) -> Value {
    let last = pattern.rsplit('/').next().unwrap_or_default();
    let dfid = &has["dfid"];
    match (method, last) {
        ("GET" | "DELETE", _) | (_, "accept" | "decline" | "unmerge" | "retry") => Value::Null,
        ("POST", "cancel") if pattern.contains("jobs") => Value::Null,
        ("POST", "reject") if pattern.contains("join-requests") => Value::Null,
        ("POST", "approve") if pattern.contains("join-requests") => json!({"role": "viewer"}),
        (_, "push-local") => json!({"local_id": "cow"}),
        (_, "push" | "pull") => json!({"dfid": dfid}),
        (_, "push-batch") => json!({"items": [{"local_id": "cow"}]}),
        (_, "roles") => json!({"name": "loader", "permissions": ["push"]}),
        (_, "{role}") => json!({"permissions": ["push"]}),
        (_, "{user_id}") => json!({"role": "viewer"}),
        (_, "invitations") => json!({"username": "guest", "role": "viewer"}),
        (_, "published") => json!({"published": true}),
        (_, "merge") if pattern.contains("local") => json!({"local_ids": ["cow"]}),
        (_, "merge") => json!({"dfids": [absent_dfid(8)]}),
        (_, "split") => json!({"parts": [{"identifiers": [{"key": "ear_tag", "value": "A-1"}]}]}),
        (_, "share") => json!({"username": "guest"}),
        ("POST", "resolve") if pattern.contains("pending") => json!({"resolution": "reject"}),
        ("POST", "resolve") => json!({"resolution": "seen"}),
        (_, "assign") => json!({"user_id": has["user_id"]}),
        (_, "events") => json!({"event_type": "weighed"}),
        (_, "push-events") => json!({"dfid": dfid}),
        _ => json!({}),
    }
}

pub async fn hidden_and_absent_answer_alike(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let has = possessions(&service, &ana).await;
    let mallory = service.person("mallory").await;
    let (mut wrong, mut walked) = (Vec::new(), 0);
    for endpoint in service.edge.endpoints().to_vec() {
        let (method, pattern) = (endpoint.method.as_str(), endpoint.path);
        if !pattern.contains('{') || endpoint.policy.access() == Access::PlatformAdmin {
            continue;
        }
        walked += 1;
        let hidden = filled(pattern, |name| {
            let name = if name == "id" {
                pattern.split('/').nth(2).unwrap()
            } else {
                name
            };
            has.get(name)
                .unwrap_or_else(|| panic!("{pattern}: nobody has a `{name}` here"))
                .clone()
        });
        let body = fitting(method, pattern, &has);
        let first = head(&service, Some(&mallory.token), method, &hidden, &body).await;
        let never = head(
            &service,
            Some(&mallory.token),
            method,
            &filled(pattern, absent),
            &body,
        )
        .await;
        // What a stranger may ask of anything, such as events of an own local item of that name, is empty either way.
        let right = (first.0 == 404 || first.0 == 200) && first.0 == never.0;
        if !right || without_ids(first.1.clone()) != without_ids(never.1.clone()) {
            wrong.push(format!(
                "{method} {hidden}: {} {} and {} {}",
                first.0, first.1, never.0, never.1
            ));
        }
        let not_shown_yet = ["/api/public/circuits/{slug}", "/api/jobs/{job_id}/output"].contains(&pattern);
        if method == "GET" && !not_shown_yet {
            let own = head(&service, Some(&ana.token), method, &hidden, &Value::Null).await;
            if own.0 != 200 {
                wrong.push(format!(
                    "GET {hidden}: the owner gets {} {}: no neighbour",
                    own.0, own.1
                ));
            }
        }
    }
    assert!(walked > 45, "{walked} routes name something");
    assert!(
        wrong.is_empty(),
        "{} of {walked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
