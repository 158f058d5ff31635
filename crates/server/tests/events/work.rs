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
