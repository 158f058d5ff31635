//! Prints how often a run finds each fault at lower rates: `cargo run --release -p isolation --example sensitivity -- [SEEDS [FAULT...]]`.
//!
//! `1` is a run that confirmed the fault, `+1` one that saw it and could not confirm it. Each run has the effort of a default
//! run and does those of its checks that are there to find the fault.

use futures_util::{StreamExt, stream};
use isolation::{Config, EXAMPLE, Options, Rule, Silent, isolate};
use testbed::{FAULTS, Fault};

const RATES: [f64; 4] = [1.0, 0.1, 0.01, 0.001];
/// Runs at once: most of their time is waiting.
const TOGETHER: usize = 4;

/// Says whether a run confirmed (2) or at least saw (1) the fault.
async fn found(fault: &'static Fault, rate: f64, seed: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let options = testbed::Options {
        faults: vec![(fault, rate)],
        seed,
        ..Default::default()
    };
    let service = testbed::start(options).await?;
    let mut config = Config::parse("example.toml", EXAMPLE)?;
    config.target.url = Some(service.url());
    if fault.rules == ["noise.latency"] {
        config.policy.latency_objective_ms = Some(300);
    }
    let rules = Rule::ALL.iter().copied();
    let options = Options {
        seed,
        self_test: false,
        only: rules.filter(|rule| fault.rules.contains(&rule.id())).collect(),
        ..Options::default()
    };
    let report = isolate(config, &options, &mut Silent).await?;
    let named = |rule: &&str| fault.rules.contains(rule);
    let confirmed = report
        .findings
        .iter()
        .map(|finding| finding.rule)
        .any(|rule| named(&rule));
    let seen = report
        .suspicions
        .iter()
        .map(|finding| finding.rule)
        .any(|rule| named(&rule));
    Ok(if confirmed { 2 } else { u64::from(seen) })
}

async fn row(fault: &'static Fault, seeds: u64) -> Result<[(u64, u64); 4], Box<dyn std::error::Error>> {
    let mut row = [(0, 0); 4];
    for (at, rate) in RATES.iter().enumerate() {
        for seed in 1..=seeds {
            let found = found(fault, *rate, seed).await?;
            row[at].0 += u64::from(found == 2);
            row[at].1 += u64::from(found == 1);
        }
    }
    Ok(row)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let named: Vec<String> = std::env::args().skip(2).collect();
    let chosen = |fault: &&Fault| named.is_empty() || named.iter().any(|name| name == fault.name);
    let faults: Vec<&Fault> = FAULTS.iter().filter(chosen).collect();
    println!("| fault | 1 | 0.1 | 0.01 | 0.001 |\n| --- | --- | --- | --- | --- |");
    let rows = stream::iter(
        faults
            .iter()
            .map(|fault| async move { (fault, row(fault, seeds).await) }),
    );
    let mut rows = rows.buffered(TOGETHER);
    let mut totals = [(0, 0); 4];
    let cell = |(confirmed, seen): (u64, u64)| {
        if seen > 0 {
            format!("{confirmed} +{seen}")
        } else {
            confirmed.to_string()
        }
    };
    while let Some((fault, row)) = rows.next().await {
        let row = row?;
        for (total, one) in totals.iter_mut().zip(row) {
            *total = (total.0 + one.0, total.1 + one.1);
        }
        println!("| {} | {} |", fault.name, row.map(cell).join(" | "));
    }
    println!(
        "| all of {} | {} |",
        faults.len() as u64 * seeds,
        totals.map(cell).join(" | ")
    );
    Ok(())
}
