//! The outbox: each piece of work is done once, or given up at last.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use db::{Engine, Scope};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use store::outbox::Work;
use uuid::Uuid;
use workers::outbox::{Handler, OutboxConfig, OutboxRunner, Outcome};

use crate::{calls::post, fixture::Service};

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
