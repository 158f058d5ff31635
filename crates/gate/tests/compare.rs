//! Two live servers compared: a slower candidate is found, errors are found, and too little says so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gate::compare::{Answer, ComparePlan, Rules};
use gate::live::Live;
use gate::load::SingleCrew;
use gate::report::{Detail, StageResult};
use gate::runs::{Senders, compare};
use gate::server::Sources;
use gate::setup::Given;
use gate::verdict::Verdict;
use tokio_util::sync::CancellationToken;

fn server(delay_ms: u64, one_error_in: u64) -> String {
    let asked = AtomicU64::new(1);
    support::serve(move |_, _| {
        let wrong = asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_error_in);
        (
            Duration::from_millis(delay_ms),
            support::answer(if wrong { 500 } else { 200 }, "{}"),
        )
    })
}

async fn go(base: &str, candidate: &str, rounds: usize) -> StageResult {
    let senders = |url: &str| {
        let given = Given {
            url: url.to_owned(),
            ..Given::default()
        };
        (
            Senders::Single(SingleCrew::new(given.single("/", None).unwrap())),
            Sources::default(),
        )
    };
    let plan = ComparePlan {
        rate: 250.0,
        slice: Duration::from_millis(100),
        rounds,
        rules: Rules::default(),
        seed: 1,
        drain: Duration::from_secs(1),
        weights: vec![1.0],
    };
    let mut live = Live::new(Vec::new(), false);
    let cancel = CancellationToken::new();
    compare(
        &plan,
        (base, candidate),
        senders(base),
        senders(candidate),
        cancel,
        &mut live,
    )
    .await
    .unwrap()
}

fn answer(stage: &StageResult, figure: &str) -> Answer {
    let Detail::Compare(compare) = &stage.detail else {
        panic!("no comparison")
    };
    compare
        .answers
        .iter()
        .find(|a| a.figure == figure)
        .unwrap()
        .answer
}

/// Found; or, on a machine so busy that the baseline differs from itself by half the planted change, not told.
fn worse_or_too_noisy(stage: &StageResult, figure: &str, planted: f64) -> bool {
    let Detail::Compare(compare) = &stage.detail else {
        panic!("no comparison")
    };
    let found = compare.answers.iter().find(|a| a.figure == figure).unwrap();
    match found.answer {
        Answer::Worse => true,
        Answer::CannotTell => found.noise > planted / 2.0,
        Answer::Same | Answer::Better => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_candidate_that_is_twice_as_slow_and_errs_is_worse() {
    let stage = go(&server(30, u64::MAX), &server(60, 10), 14).await;
    assert!(worse_or_too_noisy(&stage, "p50", 1.0), "{:?}", stage.reasons);
    assert_eq!(answer(&stage, "error_rate"), Answer::Worse, "{:?}", stage.reasons);
    assert_eq!(stage.verdict, Verdict::Fail);
}

/// The machine's own noise is in these two; what the decisions are worth without it is in `compare_bars.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn equal_servers_raise_no_alarm() {
    let stage = go(&server(40, u64::MAX), &server(40, u64::MAX), 14).await;
    let Detail::Compare(compare) = &stage.detail else {
        panic!("no comparison")
    };
    let alarms: Vec<_> = compare
        .answers
        .iter()
        .filter(|a| matches!(a.answer, Answer::Worse | Answer::Better))
        .collect();
    assert!(alarms.is_empty(), "{alarms:?}");
    assert_ne!(stage.verdict, Verdict::Fail);
    let names: Vec<_> = compare.table.iter().map(|row| row.figure.as_str()).collect();
    assert_eq!(
        names[..6],
        ["total", "success", "throughput", "min", "mean", "p50"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tenth_slower_is_found_on_real_servers() {
    let stage = go(&server(60, u64::MAX), &server(66, u64::MAX), 14).await;
    assert!(worse_or_too_noisy(&stage, "p50", 0.10), "{:?}", stage.reasons);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn few_rounds_cannot_tell_and_none_prove_nothing() {
    let (base, candidate) = (server(30, u64::MAX), server(60, u64::MAX));
    assert_eq!(go(&base, &candidate, 2).await.verdict, Verdict::Inconclusive);
    assert_eq!(go(&base, &candidate, 0).await.verdict, Verdict::Inconclusive);
}
