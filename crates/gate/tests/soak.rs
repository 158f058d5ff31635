//! A soak in compressed time: schedule, samples, drift, and going on after an interruption.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gate::live::Live;
use gate::load::{SingleCrew, Think};
use gate::report::{Detail, SoakReport, StageResult};
use gate::runs::{Senders, SoakTarget, soak};
use gate::server::{Sources, default_formulas};
use gate::setup::Given;
use gate::soak::SoakPlan;
use gate::verdict::Verdict;
use tokio_util::sync::CancellationToken;

/// A server that says how much memory it has, growing by `leak` bytes with each look.
fn server(leak: u64) -> String {
    let looks = Arc::new(AtomicU64::new(0));
    support::serve(move |head, _| {
        let body = match head.starts_with("GET /metrics") {
            true => {
                let look = looks.fetch_add(1, Ordering::Relaxed);
                format!(
                    "process_resident_memory_bytes {}\n",
                    100_000_000 + look * leak + (look % 3) * 100_000
                )
            }
            false => "{}".to_owned(),
        };
        (Duration::ZERO, support::answer(200, &body))
    })
}

/// An hour in 3.6 seconds, with two load steps on the way.
fn plan() -> SoakPlan {
    let minute = Duration::from_secs(60);
    SoakPlan {
        length: minute * 60,
        every: minute * 25,
        ladder: vec![4],
        step: minute * 5,
        light_users: 2,
        think: Think {
            least: Duration::from_millis(5),
            most: Duration::from_millis(5),
        },
        sample: minute,
        speed: 1000.0,
        seed: 1,
        weights: vec![1.0],
        threads: 1,
        drain: Duration::from_secs(1),
        memory_limit: 0.05,
        latency_limit: 50.0,
    }
}

async fn go(url: &str, state: &std::path::Path, cancel: CancellationToken) -> StageResult {
    let given = Given {
        url: url.to_owned(),
        ..Given::default()
    };
    let sources = Sources {
        metrics: Some(given.get("/metrics").unwrap()),
        connect: Some(given.connect().unwrap()),
        formulas: default_formulas(1),
        pid: None,
        every: Duration::from_millis(100),
    };
    let thresholds = vec!["error_rate < 1%".parse().unwrap()];
    let senders = Senders::Single(SingleCrew::new(given.single("/", None).unwrap()));
    let target = SoakTarget {
        url,
        state,
        thresholds,
        sources,
    };
    soak(plan(), target, senders, cancel, &mut Live::new(Vec::new(), false))
        .await
        .unwrap()
}

fn detail(stage: &StageResult) -> &SoakReport {
    match &stage.detail {
        Detail::Soak(soak) => soak,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_steady_server_passes_and_the_steps_are_on_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let stage = go(
        &server(0),
        &folder.path().join("state.json"),
        CancellationToken::new(),
    )
    .await;
    assert_eq!(stage.verdict, Verdict::Pass, "{:?}", stage.reasons);
    let soak = detail(&stage);
    assert!(soak.samples.len() >= 40, "{}", soak.samples.len());
    let steps: Vec<f64> = soak
        .samples
        .iter()
        .filter(|s| s.users == 4)
        .map(|s| s.at / 60.0)
        .collect();
    assert!(
        steps
            .iter()
            .all(|at| (25.0..=30.2).contains(at) || (55.0..=60.2).contains(at)),
        "{steps:?}"
    );
    assert!(stage.reasons.iter().any(|r| r.contains("1000 times faster")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_leak_fails() {
    let folder = tempfile::tempdir().unwrap();
    let stage = go(
        &server(1_000_000),
        &folder.path().join("state.json"),
        CancellationToken::new(),
    )
    .await;
    assert_eq!(stage.verdict, Verdict::Fail, "{:?}", stage.reasons);
    assert!(stage.reasons.iter().any(|r| r.starts_with("drift of memory")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_interrupted_soak_is_inconclusive_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (url, state) = (server(0), folder.path().join("state.json"));
    let cancel = CancellationToken::new();
    let later = cancel.clone();
    let state_seen = state.clone();
    tokio::spawn(async move {
        // The soak is interrupted as soon as it has saved some samples.
        while !std::fs::read_to_string(&state_seen).is_ok_and(|text| text.matches("\"light\"").count() > 10) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        later.cancel();
    });
    let first = go(&url, &state, cancel).await;
    assert_eq!(first.verdict, Verdict::Inconclusive, "{:?}", first.reasons);
    let (samples, requests) = (detail(&first).samples.len(), detail(&first).total.ok);
    assert!(samples < 30);
    let second = go(&url, &state, CancellationToken::new()).await;
    let soak = detail(&second);
    assert_eq!(
        (soak.resumed, second.verdict),
        (1, Verdict::Pass),
        "{:?}",
        second.reasons
    );
    assert!(soak.total.ok > requests);
    assert!(soak.samples.windows(2).all(|w| w[0].at < w[1].at));
}
