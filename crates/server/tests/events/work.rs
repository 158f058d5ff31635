//! The outbox and jobs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use app::AppError;
use db::{Engine, Scope};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use store::outbox::Work;
use uuid::Uuid;
use workers::{
    jobs::{JobCall, JobConfig, JobHandler, JobRunner},
    outbox::{Handler, OutboxConfig, OutboxRunner, Outcome},
};

use crate::{
    cases::{get, post},
    fixture::Service,
};

/// Notes what it was given, and answers what it was told to.
struct Counting {
    seen: Mutex<HashMap<Uuid, u32>>,
    answer: Outcome,
}

impl Counting {
    fn new(answer: Outcome) -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            answer,
        })
    }
}

impl Handler for Counting {
    fn accepts(&self, topic: &str) -> bool {
        topic == "event.recorded"
    }

    fn handle<'a>(&'a self, work: &'a [Work]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            // Others get their turn while this one holds its lease.
            tokio::task::yield_now().await;
            let mut seen = self.seen.lock().unwrap();
            for one in work {
                *seen.entry(one.id.uuid()).or_default() += 1;
            }
            vec![self.answer.clone(); work.len()]
        })
    }
}

pub async fn eight_workers_do_each_piece_of_work_once(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let events: Vec<Value> = (0..400).map(|_| json!({"event_type": "tick"})).collect();
    assert_eq!(
        post(&service, &ana, "/api/events/bulk", json!({"events": events}))
            .await
            .status,
        201
    );
    let handler = Counting::new(Outcome::Done);
    let config = OutboxConfig {
        batch: 7,
        ..OutboxConfig::default()
    };
    let runner = Arc::new(OutboxRunner::new(&service.app, config, vec![handler.clone()]));
    let tasks = (0..8).map(|_| {
        let runner = Arc::clone(&runner);
        tokio::spawn(async move { while runner.run_once().await.unwrap() > 0 {} })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let seen = handler.seen.lock().unwrap().clone();
    assert_eq!((seen.len(), seen.values().max()), (400, Some(&1)));
    let scope = Scope::system();
    let left = store::outbox::backlog(&service.db.scoped(&scope)).await.unwrap();
    assert!(left.iter().all(|state| state.count == 0), "{left:?}");
}

pub async fn failed_work_comes_again_and_is_given_up_at_last(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    assert_eq!(
        post(&service, &ana, "/api/events", json!({"event_type": "a"}))
            .await
            .status,
        201
    );
    let handler = Counting::new(Outcome::Retry("away".to_owned()));
    let config = OutboxConfig {
        attempts: 3,
        ..OutboxConfig::default()
    };
    let runner = OutboxRunner::new(&service.app, config, vec![handler.clone()]);
    assert_eq!(runner.run_once().await.unwrap(), 1);
    assert_eq!(runner.run_once().await.unwrap(), 0, "not before its time");
    for wait in [2, 4] {
        service.clock.pass(Duration::from_secs(wait));
        assert_eq!(runner.run_once().await.unwrap(), 1);
    }
    service.clock.pass(Duration::from_secs(7200));
    assert_eq!(runner.run_once().await.unwrap(), 0, "given up");
    assert_eq!(handler.seen.lock().unwrap().values().sum::<u32>(), 3);
    let scope = Scope::system();
    let left = store::outbox::backlog(&service.db.scoped(&scope)).await.unwrap();
    assert!(
        left.iter()
            .any(|state| state.state == "failed" && state.count == 1),
        "{left:?}"
    );
}

pub async fn an_export_job_produces_a_file(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let events: Vec<Value> = (0..600)
        .map(|n| json!({"event_type": "tick", "data": {"n": n}}))
        .collect();
    assert_eq!(
        post(&service, &ana, "/api/events/bulk", json!({"events": events}))
            .await
            .status,
        201
    );
    let job = post(
        &service,
        &ana,
        "/api/jobs",
        json!({"kind": "export", "format": "jsonl"}),
    )
    .await;
    assert_eq!(
        (job.status, &job.body["state"]),
        (201, &json!("waiting")),
        "{}",
        job.body
    );
    let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
    assert_eq!(get(&service, &ana, &format!("{path}/output")).await.status, 409);
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    assert!(runner.run_once().await.unwrap());
    assert!(!runner.run_once().await.unwrap());
    let done = get(&service, &ana, &path).await.body;
    assert_eq!(
        (&done["state"], &done["result"]["events"]),
        (&json!("completed"), &json!(600)),
        "{done}"
    );
    let text = service.text(&ana.token, &format!("{path}/output")).await;
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (text.lines().count(), &last["data"]["n"]),
        (600, &json!(599)),
        "private data is opened for its owner"
    );
    assert_eq!(get(&service, &bob, &path).await.status, 404);
    assert_eq!(get(&service, &bob, &format!("{path}/output")).await.status, 404);
}

pub async fn an_import_job_makes_items_of_rows_and_names_the_broken_ones(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    let import = async |format: &str, content: &str| {
        let body = json!({"kind": "import", "format": format, "content": content});
        let job = post(&service, &ana, "/api/jobs", body).await;
        assert_eq!(job.status, 201, "{}", job.body);
        assert!(
            !job.body.to_string().contains("lot-7"),
            "the rows are not told back"
        );
        assert!(runner.run_once().await.unwrap());
        let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
        let done = get(&service, &ana, &path).await.body;
        assert_eq!(done["state"], "completed", "{done}");
        (path, done)
    };
    // The second row's check digit is wrong; the third has no local id and gets one that follows from its content.
    let table = "local_id;gtin;identifier.ear_tag;namespace;data.bags;farm\nlot-7;07891000315507;E-1;cattle;40;East\n\
        lot-8;07891000315508;;;1;\n;;E-3;;2;\n";
    let (path, done) = import("csv", table).await;
    let result = &done["result"];
    assert_eq!(
        [
            &result["rows"],
            &result["created"],
            &result["unchanged"],
            &result["failed"]
        ],
        [&json!(3), &json!(2), &json!(0), &json!(1)],
        "{done}"
    );
    assert_eq!(done["progress"], json!({"done": 3, "total": 3}));
    assert_eq!(result["errors"][0]["row"], 2);
    assert_eq!(result["errors"][0]["field"], "gtin", "{done}");
    let item = get(&service, &ana, "/api/items/local/lot-7").await.body;
    assert_eq!(
        (
            &item["enriched_data"],
            &item["identifiers"][0]["registry"],
            &item["identifiers"][1]["key"],
            &item["identifiers"][1]["namespace"]
        ),
        (
            &json!({"bags": "40", "farm": "East"}),
            &json!("GTIN"),
            &json!("ear_tag"),
            &json!("cattle")
        ),
        "{item}"
    );
    assert_eq!(get(&service, &bob, "/api/items/local/lot-7").await.status, 404);
    let (_, again) = import("csv", table).await;
    assert_eq!(
        [
            &again["result"]["created"],
            &again["result"]["unchanged"],
            &again["result"]["failed"]
        ],
        [&json!(0), &json!(2), &json!(1)],
        "the same rows twice are the same items: {again}"
    );
    let lines = "{\"local_id\": \"lot-7\", \"enriched_data\": {\"bags\": 41}}\n\nnot json\n[1]\n{\"local_id\": \"lot-9\", \"weight\": 1}\n{\"local_id\": \"lot-9\"}\n{\"identifiers\": [{\"key\": \"tag\", \"value\": \"9\"}]}\n";
    let (_, mixed) = import("jsonl", lines).await;
    assert_eq!(
        [
            &mixed["result"]["rows"],
            &mixed["result"]["created"],
            &mixed["result"]["failed"]
        ],
        [&json!(6), &json!(1), &json!(5)],
        "{mixed}"
    );
    assert_eq!(
        mixed["result"]["errors"][0]["field"], "local_id",
        "another item has the name: {mixed}"
    );
    let all = get(&service, &ana, "/api/items/local?with_total=true").await.body;
    assert_eq!(all["total"], 3, "{all}");
    assert_eq!(get(&service, &ana, &format!("{path}/output")).await.status, 409);
    for wrong in [
        json!({"kind": "import"}),
        json!({"kind": "import", "content": "a\u{0}b"}),
        json!({"kind": "import", "content": "a", "event_type": "b"}),
        json!({"kind": "export", "content": "a"}),
        json!({"kind": "import", "content": "x".repeat(4 * 1024 * 1024 + 1)}),
        json!({"kind": "brew"}),
    ] {
        let refused = post(&service, &ana, "/api/jobs", wrong.clone()).await;
        let named: String = wrong.to_string().chars().take(80).collect();
        assert_eq!(refused.status, 422, "{named}: {}", refused.body);
    }
}

pub async fn a_job_is_no_way_around_the_limits_of_a_key(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let key = async |scopes: Value| {
        let made = post(
            &service,
            &ana,
            "/api/api-keys",
            json!({"name": "k", "scopes": scopes}),
        )
        .await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body["secret"].as_str().unwrap().to_owned()
    };
    let start = async |key: &str, body: Value| service.as_bearer(key, "POST", "/api/jobs", Some(body)).await;
    let (export, import) = (
        json!({"kind": "export"}),
        json!({"kind": "import", "content": "local_id\na\n"}),
    );
    let narrow = key(json!(["jobs:read", "jobs:write"])).await;
    for body in [&export, &import] {
        let refused = start(&narrow, body.clone()).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (403, &json!("forbidden"))
        );
    }
    let wide = key(json!(["jobs:read", "jobs:write", "events:read", "items:write"])).await;
    let job = start(&wide, export).await;
    assert_eq!(job.status, 201, "{}", job.body);
    assert_eq!(start(&wide, import).await.status, 201);
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    while runner.run_once().await.unwrap() {}
    let output = format!("/api/jobs/{}/output", job.body["id"].as_str().unwrap());
    assert_eq!(service.as_bearer(&narrow, "GET", &output, None).await.status, 403);
    assert_eq!(service.as_bearer(&wide, "GET", &output, None).await.status, 200);
    // Who is a viewer by the time the job runs makes nothing any more.
    let late = post(
        &service,
        &ana,
        "/api/jobs",
        json!({"kind": "import", "content": "local_id\nlate\n"}),
    )
    .await;
    let demote = store::members::set_role(
        ana.workspace_id.parse().unwrap(),
        ana.user_id.parse().unwrap(),
        domain::identity::Role::Viewer,
        1,
    );
    assert_eq!(service.db.run(&Scope::system(), vec![demote]).await.unwrap(), [1]);
    assert!(runner.run_once().await.unwrap());
    let failed = get(
        &service,
        &ana,
        &format!("/api/jobs/{}", late.body["id"].as_str().unwrap()),
    )
    .await
    .body;
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("may not run jobs"),
        "{failed}"
    );
    assert_eq!(get(&service, &ana, "/api/items/local/late").await.status, 404);
}

/// Gets half-way and waits there.
struct HalfWay;

impl JobHandler for HalfWay {
    fn kind(&self) -> &'static str {
        "export"
    }

    fn run(&self, call: JobCall) -> BoxFuture<'static, Result<Value, AppError>> {
        Box::pin(async move {
            call.progress.expect(10);
            call.progress.set(5);
            std::future::pending().await
        })
    }
}

/// Signs of life every few milliseconds.
fn lively() -> JobConfig {
    JobConfig {
        lease: Duration::from_millis(30),
        poll: Duration::from_millis(5),
        ..JobConfig::default()
    }
}

async fn until(mut held: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !held().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("the condition holds in time");
}

pub async fn a_running_job_tells_how_far_it_is_and_ends_when_cancelled(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    let job = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
    let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
    let runner = JobRunner::new(&service.app, lively(), vec![Arc::new(HalfWay)]);
    let running = tokio::spawn(async move { runner.run_once().await.unwrap() });
    let progress = json!({"done": 5, "total": 10});
    until(async || get(&service, &ana, &path).await.body["progress"] == progress).await;
    let outbox = OutboxRunner::new(
        &service.app,
        OutboxConfig::default(),
        workers::default_handlers(&service.app),
    );
    let scope = Scope::system();
    let told = async || {
        while outbox.run_once().await.unwrap() > 0 {}
        let all = store::live::since(&service.db.scoped(&scope), 0, 500)
            .await
            .unwrap();
        all.into_iter()
            .filter(|one| one.topic == "jobs")
            .collect::<Vec<_>>()
    };
    until(async || !told().await.is_empty()).await;
    assert_eq!(
        post(&service, &bob, &format!("{path}/cancel"), json!({}))
            .await
            .status,
        404
    );
    let asked = post(&service, &ana, &format!("{path}/cancel"), json!({})).await;
    assert_eq!(
        (asked.status, &asked.body["cancel_requested"]),
        (200, &json!(true)),
        "{}",
        asked.body
    );
    assert!(running.await.unwrap());
    let ended = get(&service, &ana, &path).await.body;
    assert_eq!(
        (&ended["state"], &ended["progress"]),
        (&json!("cancelled"), &progress),
        "{ended}"
    );
    let told = told().await;
    let types: Vec<Value> = told
        .iter()
        .map(|one| serde_json::from_str::<Value>(one.body.get()).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, ["job.progressed", "job.ended"]);
    assert!(
        told.iter()
            .all(|one| one.user.map(|user| user.to_string()) == Some(ana.user_id.clone()))
    );
}

pub async fn a_job_cancelled_before_it_runs_is_told_of(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let job = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
    let cancel = format!("/api/jobs/{}/cancel", job.body["id"].as_str().unwrap());
    let cancelled = post(&service, &ana, &cancel, json!({})).await;
    assert_eq!(cancelled.body["state"], "cancelled", "{}", cancelled.body);
    assert_eq!(post(&service, &ana, &cancel, json!({})).await.status, 409);
    let outbox = OutboxRunner::new(
        &service.app,
        OutboxConfig::default(),
        workers::default_handlers(&service.app),
    );
    while outbox.run_once().await.unwrap() > 0 {}
    let scope = Scope::system();
    let told = store::live::since(&service.db.scoped(&scope), 0, 500)
        .await
        .unwrap();
    let told: Vec<_> = told.iter().filter(|one| one.topic == "jobs").collect();
    assert_eq!(told.len(), 1, "once, though it was asked for twice: {told:?}");
    let body: Value = serde_json::from_str(told[0].body.get()).unwrap();
    assert_eq!(
        (&body["type"], &body["details"]["state"], &body["details"]["id"]),
        (&json!("job.ended"), &json!("cancelled"), &job.body["id"]),
        "{body}"
    );
    assert_eq!(told[0].user.map(|user| user.to_string()), Some(ana.user_id));
}

pub async fn a_stop_gives_a_job_back_and_a_crash_costs_an_attempt(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let job = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
    let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let runner = JobRunner::new(&service.app, lively(), vec![Arc::new(HalfWay)]);
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { runner.run(stop).await }
    });
    until(async || get(&service, &ana, &path).await.body["state"] == "running").await;
    stop.cancel();
    running.await.unwrap();
    let back = get(&service, &ana, &path).await.body;
    assert_eq!(
        (&back["state"], &back["attempts"]),
        (&json!("waiting"), &json!(0)),
        "{back}"
    );
    let kinds = || vec!["export".to_owned()];
    for crash in 1..=3 {
        let now = app_now(&service);
        let until = now.plus(Duration::from_secs(30));
        let leased = store::jobs::lease(&service.db, "gone", until, now, kinds(), 5).await;
        assert_eq!(leased.unwrap().unwrap().attempts, crash);
        service.clock.pass(Duration::from_secs(30));
    }
    let runner = JobRunner::new(&service.app, JobConfig::default(), vec![Arc::new(Told("done"))]);
    assert!(runner.run_once().await.unwrap());
    let failed = get(&service, &ana, &path).await.body;
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["error"].as_str().unwrap().contains("begun 3 times"),
        "the reason is told: {failed}"
    );
}

pub async fn who_runs_least_comes_first(engine: Engine) {
    let service = Service::start(engine).await;
    let (ana, bob) = (service.person("ana").await, service.person("bob").await);
    for person in [&ana, &ana, &ana, &bob] {
        let job = post(&service, person, "/api/jobs", json!({"kind": "export"})).await;
        assert_eq!(job.status, 201, "{}", job.body);
    }
    let now = app_now(&service);
    let until = now.plus(Duration::from_secs(30));
    let mut order = Vec::new();
    for _ in 0..4 {
        let leased = store::jobs::lease(&service.db, "one", until, now, vec!["export".to_owned()], 5).await;
        order.push(leased.unwrap().unwrap().created_by.to_string());
    }
    assert_eq!(
        order,
        [&ana.user_id, &bob.user_id, &ana.user_id, &ana.user_id].map(Clone::clone),
        "a newcomer does not wait behind another's queue"
    );
}

pub async fn what_nobody_can_use_any_more_is_removed(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let job = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
    let path = format!("/api/jobs/{}", job.body["id"].as_str().unwrap());
    let runner = JobRunner::new(&service.app, JobConfig::default(), workers::default_jobs());
    assert!(runner.run_once().await.unwrap());
    let wrong = json!({"username": "ana", "password": "not the right one"});
    assert_eq!(service.post("/api/auth/login", wrong).await.status, 401);
    let reset = json!({"email": "ana@example.org"});
    assert!(service.post("/api/auth/password-reset", reset).await.status < 300);
    let (scope, day) = (Scope::system(), Duration::from_secs(24 * 3600));
    let left = async || {
        let row = store_counts(&service, &scope).await;
        let count = |name: &'static str| row.get::<i64>(name).unwrap();
        [
            count("sessions"),
            count("failures"),
            count("resets"),
            count("outputs"),
            count("jobs"),
        ]
    };
    let reconcile = async || {
        for task in workers::reconcile::TASKS {
            (task.work)(service.app.clone()).await.unwrap();
        }
    };
    reconcile().await;
    assert_eq!(left().await, [1, 2, 1, 1, 1], "what is alive stays");
    service.clock.pass(8 * day);
    reconcile().await;
    assert_eq!(left().await, [1, 0, 0, 0, 1], "a session lives thirty days");
    service.clock.pass(30 * day);
    reconcile().await;
    assert_eq!(left().await, [0, 0, 0, 0, 0]);
    let ana = service.sign_in("ana", crate::fixture::PASSWORD).await;
    assert_eq!(get(&service, &ana, &path).await.status, 404);
}

db::statements! {
    /// How much there is of what the workers remove.
    COUNTS = "test.counts",
        "select (select count(*) from sessions) as sessions, (select count(*) from sign_in_failures) as failures,
            (select count(*) from password_resets) as resets, (select count(*) from job_outputs) as outputs,
            (select count(*) from jobs) as jobs";
}

async fn store_counts(service: &Service, scope: &Scope) -> db::Row {
    use db::Read as _;
    service.db.scoped(scope).one(COUNTS, Vec::new()).await.unwrap()
}

/// Panics, stalls or succeeds, as told.
struct Told(&'static str);

impl JobHandler for Told {
    fn kind(&self) -> &'static str {
        "export"
    }

    fn run(&self, _: JobCall) -> BoxFuture<'static, Result<Value, AppError>> {
        let what = self.0;
        Box::pin(async move {
            match what {
                "panic" => panic!("told to"),
                "stall" => std::future::pending().await,
                _ => Ok(json!({})),
            }
        })
    }
}

pub async fn jobs_end_as_they_should(engine: Engine) {
    let service = Service::start(engine).await;
    let ana = service.person("ana").await;
    let start = || async {
        let job = post(&service, &ana, "/api/jobs", json!({"kind": "export"})).await;
        format!("/api/jobs/{}", job.body["id"].as_str().unwrap())
    };
    let runner = |what, budget| {
        let config = JobConfig {
            budget,
            ..JobConfig::default()
        };
        JobRunner::new(&service.app, config, vec![Arc::new(Told(what))])
    };
    let long = Duration::from_secs(60);
    let job = start().await;
    assert!(runner("panic", long).run_once().await.unwrap());
    let failed = get(&service, &ana, &job).await.body;
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("panicked"), "{failed}");
    let retried = post(&service, &ana, &format!("{job}/retry"), json!({})).await;
    assert_eq!(
        (retried.status, &retried.body["state"]),
        (200, &json!("waiting")),
        "{}",
        retried.body
    );
    assert!(
        runner("stall", Duration::from_millis(50))
            .run_once()
            .await
            .unwrap()
    );
    let failed = get(&service, &ana, &job).await.body;
    assert!(
        failed["error"].as_str().unwrap().contains("took longer"),
        "{failed}"
    );
    let waiting = start().await;
    let cancelled = post(&service, &ana, &format!("{waiting}/cancel"), json!({})).await;
    assert_eq!(
        (cancelled.status, &cancelled.body["state"]),
        (200, &json!("cancelled")),
        "{}",
        cancelled.body
    );
    assert_eq!(
        post(&service, &ana, &format!("{waiting}/cancel"), json!({}))
            .await
            .status,
        409
    );
    assert!(
        !runner("done", long).run_once().await.unwrap(),
        "a cancelled job does not run"
    );
    // A process that stops without a word: its lease ends, another one begins the job again.
    let orphan = start().await;
    let now = app_now(&service);
    let leased = store::jobs::lease(
        &service.db,
        "gone",
        now.plus(long),
        now,
        vec!["export".to_owned()],
        5,
    )
    .await;
    assert!(leased.unwrap().is_some());
    assert!(
        !runner("done", long).run_once().await.unwrap(),
        "somebody holds it"
    );
    service.clock.pass(long);
    assert!(runner("done", long).run_once().await.unwrap());
    assert_eq!(get(&service, &ana, &orphan).await.body["state"], "completed");
    // Five of one user at once.
    for _ in 0..6 {
        start().await;
    }
    let now = app_now(&service);
    for number in 0..6 {
        let leased = store::jobs::lease(
            &service.db,
            "busy",
            now.plus(long),
            now,
            vec!["export".to_owned()],
            5,
        )
        .await;
        assert_eq!(leased.unwrap().is_some(), number < 5);
    }
}

fn app_now(service: &Service) -> domain::ids::Timestamp {
    service.app.clock().now()
}
