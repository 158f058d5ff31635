//! Jobs from their start to their end: progress, cancelling, crashes, whose turn it is. What they make stands in
//! `exports_and_imports`.

use std::{sync::Arc, time::Duration};

use app::AppError;
use db::{Engine, Scope};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use workers::{
    jobs::{JobCall, JobConfig, JobHandler, JobRunner},
    outbox::{OutboxConfig, OutboxRunner},
};

use crate::{
    calls::{get, post},
    fixture::Service,
};

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
