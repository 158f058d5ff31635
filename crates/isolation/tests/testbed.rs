//! The whole run against the testbed: each planted fault found and named, and no alarm where nothing is planted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures_util::{StreamExt, stream};
use isolation::{Config, EXAMPLE, Options, Report, Silent, Verdict, isolate};
use testbed::{FAULTS, Fault, Running};

/// Classes of faults that need many requests in flight at once: they are looked for with the storm and the noise.
const LONG: [&str; 4] = ["pools", "globals", "limits", "buffers"];

fn config(service: &Running, long: bool) -> Config {
    let mut config = Config::parse("example.toml", EXAMPLE).unwrap();
    config.target.url = Some(service.url());
    config.effort.rounds = 1;
    config.effort.storm_requests = if long { 1_500 } else { 0 };
    config.effort.noise_ms = if long { 400 } else { 0 };
    config.effort.baseline_ms = 500;
    config.policy.latency_objective_ms = long.then_some(400);
    for socket in &mut config.sockets {
        socket.quiet_ms = 120;
    }
    config
}

fn options(seed: u64) -> Options {
    Options {
        seed,
        self_test: false,
        ..Options::default()
    }
}

async fn run(faults: &[(&'static Fault, f64)], seed: u64, long: bool) -> Report {
    let service = testbed::start(testbed::Options {
        faults: faults.to_vec(),
        seed,
        ..Default::default()
    })
    .await
    .unwrap();
    isolate(config(&service, long), &options(seed), &mut Silent)
        .await
        .unwrap()
}

/// Number of seeds from the environment: one by default, three for the full proof (`ISOLATION_SEEDS=3`).
#[allow(
    clippy::disallowed_methods,
    reason = "the size of a proof is chosen by who runs it"
)]
fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// Looks for one fault; what was reported instead if it was missed.
async fn look_for(fault: &'static Fault, seed: u64) -> Option<String> {
    let long = LONG.contains(&fault.class);
    let report = run(&[(fault, 1.0)], seed, long).await;
    let named: Vec<&str> = report.findings.iter().map(|finding| finding.rule).collect();
    let found = report.verdict == Verdict::Breached && fault.rules.iter().any(|rule| named.contains(rule));
    let word = if found { "found" } else { "MISSED" };
    println!(
        "seed {seed} {:<18} {word} {:.1} s {named:?}",
        fault.name, report.seconds
    );
    (!found).then(|| {
        format!(
            "{} (seed {seed}): {:?} {named:?} {:?}",
            fault.name, report.verdict, report.uncovered
        )
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_planted_fault_is_found_and_named() {
    let seeds = from_environment("ISOLATION_SEEDS", 1);
    let (long, short): (Vec<_>, Vec<_>) = FAULTS.iter().partition(|fault| LONG.contains(&fault.class));
    let mut missed = Vec::new();
    for seed in 1..=seeds {
        for (faults, together) in [(&short, 6), (&long, 1)] {
            let looking = stream::iter(faults.clone()).map(|fault| look_for(fault, seed));
            missed.extend(
                looking
                    .buffer_unordered(together)
                    .filter_map(std::future::ready)
                    .collect::<Vec<_>>()
                    .await,
            );
        }
    }
    assert!(missed.is_empty(), "missed: {missed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_service_raises_no_alarm() {
    for seed in 1..=from_environment("ISOLATION_CLEAN_RUNS", 3) {
        let options_of_service = testbed::Options {
            seed,
            jitter: Duration::from_millis(2),
            stalls: 0.002,
            errors: 0.01,
            ..Default::default()
        };
        let service = testbed::start(options_of_service).await.unwrap();
        let report = isolate(config(&service, true), &options(seed), &mut Silent)
            .await
            .unwrap();
        println!(
            "seed {seed}: {:?} in {:.1} s, {} requests, {} in trouble",
            report.verdict, report.seconds, report.requests, report.trouble
        );
        assert_eq!(report.verdict, Verdict::Isolated, "{}", report.text());
    }
}
