//! The evidence that requests are islands: the view, the outgoing guard, what leaks, who leaves.

use std::{sync::Mutex, time::Duration};

use axum::extract::State;
use db::{Engine, Read as _, Scope};
use domain::{
    identity::ApiScope,
    ids::{JobId, WorkspaceId},
};
use futures_util::FutureExt;
use serde_json::{Value, json};
use server::{
    ApiError, Ctx, Json, Operation, Path, Policy, Routes,
    isolation::{InUse, Outcome},
    platform::Platform,
};

use crate::{
    calls::{get, post, record},
    fixture::{Person, Service},
};

async fn view(service: &Service, admin: &Person) -> Value {
    let shown = get(service, admin, "/api/admin/isolation?limit=100").await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    shown.body
}

pub async fn the_view_shows_what_requests_left_behind(engine: Engine) {
    let service = Service::start(engine).await;
    let root = service.admin().await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    assert_eq!(get(&service, &ana, "/api/admin/isolation").await.status, 403);
    let event = record(&service, &ana, json!({"event_type": "a"})).await;
    let path = format!("/api/events/{}", event["id"].as_str().unwrap());
    assert_eq!(get(&service, &bob, &path).await.status, 404);
    let shown = view(&service, &root).await;
    let records = shown["records"].as_array().unwrap();
    let of_bob = records
        .iter()
        .find(|one| one["user_id"] == json!(bob.user_id) && one["route"] == "/api/events/{event_id}")
        .unwrap();
    assert_eq!(
        (
            &of_bob["outcome"],
            &of_bob["status"],
            &of_bob["workspace_id"],
            &of_bob["cleaned_up"]
        ),
        (
            &json!("refused"),
            &json!(404),
            &json!(bob.workspace_id),
            &json!(true)
        ),
        "{of_bob}"
    );
    let of_ana = records
        .iter()
        .find(|one| one["route"] == "/api/events" && one["method"] == "POST")
        .unwrap();
    assert!(
        of_ana["queries"].as_u64() > Some(0) && of_ana["rows"].as_u64() > Some(0),
        "{of_ana}"
    );
    assert!(of_ana["duration_ms"].as_f64() > Some(0.0));
    assert_eq!(
        shown["denials"],
        json!({"forbidden_total": 1, "hidden_or_absent_total": 1, "unaudited_total": 0})
    );
    let open = shown["open"].as_array().unwrap();
    assert_eq!(
        (open.len(), &open[0]["route"], &open[0]["over_budget"]),
        (1, &json!("/api/admin/isolation"), &json!(false)),
        "the view itself and nothing else: {open:?}"
    );
    assert_eq!(
        (
            &shown["in_use"]["open_contexts"],
            &shown["in_use"]["slots"],
            &shown["leaked_total"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(shown["guard"]["enabled"], true);
    assert!(shown["guard"]["checked_total"].as_u64() > Some(0));
    assert_eq!(shown["guard"]["violations_total"], 0);
    assert_eq!(
        service.isolation.in_use(),
        InUse::default(),
        "all of it is given back"
    );
    let wrong = get(&service, &root, "/api/admin/isolation?limit=0").await;
    assert_eq!(wrong.status, 400, "{}", wrong.body);
}

/// A handler with the fault the guard is there for: it reads a job without naming the tenant.
async fn anybodys_job(
    State(platform): State<Platform>,
    Path(id): Path<JobId>,
) -> Result<Json<Value>, ApiError> {
    let scope = Scope::system();
    let db = platform.app.db().scoped(&scope);
    let owner = WORKSPACE.lock().unwrap().expect("the owner is known");
    let job = store::jobs::find(&db, owner, id).await.unwrap().unwrap();
    Ok(Json(json!({"id": job.id, "kind": job.kind, "secret": "planted"})))
}

/// Whose jobs the planted handler gives to everybody.
static WORKSPACE: Mutex<Option<WorkspaceId>> = Mutex::new(None);

pub async fn an_answer_with_another_tenants_data_is_withheld(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let job = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
    let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
    *WORKSPACE.lock().unwrap() = Some(ana.workspace_id.parse().unwrap());
    let planted = service.with_routes(Routes::new().get(
        "/api/jobs/{job_id}",
        Policy::viewer(ApiScope::JobsRead),
        Operation::new("test", "Shows anybody's job"),
        anybodys_job,
    ));
    assert_eq!(get(&planted, &ana, &path).await.status, 200, "her own passes");
    let stopped = get(&planted, &bob, &path).await;
    assert_eq!(
        (stopped.status, &stopped.body["code"]),
        (500, &json!("isolation_breach")),
        "{}",
        stopped.body
    );
    assert!(!stopped.body.to_string().contains("planted"), "{}", stopped.body);
    let counted = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(counted(&planted.isolation.violations), 1);
    assert_eq!(planted.isolation.records(1)[0].outcome, Outcome::Breach);
    let incidents = get(&service, &bob, "/api/incidents?rule=isolation_breach")
        .await
        .body;
    assert_eq!(
        (
            &incidents["data"][0]["severity"],
            &incidents["data"][0]["subject"]
        ),
        (&json!("critical"), &json!("/api/jobs/{job_id}")),
        "{incidents}"
    );
}

/// The same fault in the list of a circuit's operations, whose entities have a name of their own for their id.
async fn anybodys_operations(State(platform): State<Platform>) -> Result<Json<Value>, ApiError> {
    let scope = Scope::system();
    let db = platform.app.db().scoped(&scope);
    let rows = db.all(OPERATIONS, Vec::new()).await.unwrap();
    let shown = |row: &db::Row| json!({"operation_id": row.get::<uuid::Uuid>("id").unwrap()});
    Ok(Json(json!({"data": rows.iter().map(shown).collect::<Vec<_>>()})))
}

db::statements! {
    OPERATIONS = "test.operations", "select id from operations";
}

pub async fn a_circuits_operation_of_strangers_is_withheld(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let circuit = post(&service, &ana, "/api/circuits", json!({"name": "Coffee"})).await;
    let path = format!("/api/circuits/{}", circuit.body["id"].as_str().unwrap());
    let local = json!({"local_id": "L-1", "identifiers": [{"key": "lot", "value": "A-1"}]});
    assert_eq!(post(&service, &ana, "/api/items/local", local).await.status, 201);
    let push = json!({"local_id": "L-1"});
    let pushed = post(&service, &ana, &format!("{path}/push-local"), push).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    let planted = service.with_routes(Routes::new().get(
        "/api/circuits/{circuit_id}/operations",
        Policy::viewer(ApiScope::CircuitsRead),
        Operation::new("test", "Shows anybody's operations"),
        anybodys_operations,
    ));
    let operations = format!("{path}/operations");
    assert_eq!(get(&planted, &ana, &operations).await.status, 200, "her own pass");
    let stopped = get(&planted, &bob, &operations).await;
    assert_eq!(
        (stopped.status, &stopped.body["code"]),
        (500, &json!("isolation_breach")),
        "{}",
        stopped.body
    );
}

/// Contexts that a handler forgot.
static KEPT: Mutex<Vec<Ctx>> = Mutex::new(Vec::new());

async fn keeps_its_context(ctx: Ctx) -> Json<Value> {
    KEPT.lock().unwrap().push(ctx);
    Json(json!({}))
}

pub async fn a_context_that_is_kept_shows_as_leaked(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let planted = service.with_routes(Routes::new().get(
        "/planted",
        Policy::authenticated(),
        Operation::new("test", "Forgets to let go"),
        keeps_its_context,
    ));
    assert_eq!(get(&planted, &ana, "/planted").await.status, 200);
    assert!(!planted.isolation.records(1)[0].cleaned_up());
    assert!(planted.isolation.leaked().is_empty(), "not yet");
    let leaked = planted.isolation.leaked_after(Duration::ZERO);
    assert_eq!(
        leaked
            .iter()
            .map(|(context, _)| context.route)
            .collect::<Vec<_>>(),
        ["/planted"]
    );
    drop(leaked);
    KEPT.lock().unwrap().clear();
    assert!(
        planted.isolation.leaked_after(Duration::ZERO).is_empty(),
        "it was let go"
    );
    assert!(planted.isolation.records(1)[0].cleaned_up());
}

async fn waits_for_ever() -> Json<Value> {
    std::future::pending().await
}

pub async fn a_client_that_leaves_is_cleaned_up_after(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let planted = service.with_routes(Routes::new().get(
        "/planted",
        Policy::authenticated(),
        Operation::new("test", "Waits"),
        waits_for_ever,
    ));
    let mut request = Box::pin(get(&planted, &ana, "/planted"));
    while planted.isolation.open_requests(10).is_empty() {
        assert!(request.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(planted.isolation.in_use().slots, 1);
    drop(request);
    assert_eq!(planted.isolation.in_use(), InUse::default());
    let left = planted.isolation.records(1).remove(0);
    assert_eq!((left.outcome, left.status), (Outcome::ClientLeft, None));
    assert!(left.cleaned_up());
}
