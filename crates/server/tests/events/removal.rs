//! What nobody can use any more, and who removes it.

use std::time::Duration;

use db::{Engine, Scope};
use serde_json::json;
use workers::jobs::{JobConfig, JobRunner};

use crate::{
    calls::{get, post},
    fixture::Service,
};

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
