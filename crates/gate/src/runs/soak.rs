//! A soak as a stage of a report: its promises, its drifts, and what they come to.

use std::path::Path;
use std::time::Instant;

use futures_util::future::LocalBoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Sampling, Senders, without_proof};
use crate::live::Live;
use crate::measure::{Measured, Selection};
use crate::report::{Detail, SoakReport, StageResult};
use crate::server::{LiveFigures, Sources};
use crate::soak::{self, SoakPlan};
use crate::threshold::{Held, Threshold};
use crate::units::show_seconds;
use crate::verdict::Verdict;

/// What a soak is about.
pub struct SoakTarget<'a> {
    /// URL of the service.
    pub url: &'a str,
    /// State file.
    pub state: &'a Path,
    /// Promises about the whole run.
    pub thresholds: Vec<Threshold>,
    /// Where figures of the server come from.
    pub sources: Sources,
}

/// Carries out a soak, or what is left of it.
///
/// # Errors
/// If the state file cannot be used or a thread cannot be started.
pub fn soak<'a>(
    plan: SoakPlan,
    target: SoakTarget<'a>,
    senders: Senders,
    cancel: CancellationToken,
    live: &'a mut Live,
) -> LocalBoxFuture<'a, Result<StageResult, soak::StateError>> {
    Box::pin(soaked(plan, target, senders, cancel, live))
}

async fn soaked(
    plan: SoakPlan,
    target: SoakTarget<'_>,
    senders: Senders,
    cancel: CancellationToken,
    live: &mut Live,
) -> Result<StageResult, soak::StateError> {
    let start = Instant::now();
    let SoakTarget {
        url,
        state,
        thresholds,
        sources,
    } = target;
    let sampling = Sampling::start(sources);
    let figures = sampling
        .as_ref()
        .map_or_else(|| watch::channel(LiveFigures::default()).1, |s| s.live.clone());
    let mut show = |sample: &soak::SoakSample, done: f64| {
        live.step(start.elapsed(), &progress_line(sample, done));
    };
    let unasserted = senders.unasserted();
    let soaked = match senders {
        Senders::Single(crew) => soak::run(&plan, url, crew, state, figures, cancel, &mut show).await?,
        Senders::Journeys(crew) => soak::run(&plan, url, crew, state, figures, cancel, &mut show).await?,
    };
    let server = Sampling::end_if_any(sampling).await;
    let highest = server.map(|s| s.highest).unwrap_or_default();
    let measured = as_measured(&soaked);
    let held: Vec<Held> = thresholds.iter().map(|t| t.check(&measured, &highest)).collect();
    Ok(without_proof(reported(&plan, soaked, held, start), &unasserted))
}

fn progress_line(sample: &soak::SoakSample, done: f64) -> String {
    let p50 = sample.p50.map_or_else(|| "–".to_owned(), show_seconds);
    format!(
        "{:>5.1}% {} users | {:.0}/s | p50 {p50} | errors {}",
        done * 100.0,
        sample.users,
        sample.rate,
        sample.errors
    )
}

/// The stage of a soak that has ended.
fn reported(plan: &SoakPlan, soaked: soak::Soaked, held: Vec<Held>, start: Instant) -> StageResult {
    let drifts = soaked.drifts(plan);
    let (verdict, reasons) = soak_verdict(plan, &soaked, &drifts, &held);
    let report = SoakReport {
        planned_seconds: plan.length.as_secs_f64(),
        speed: plan.speed,
        resumed: soaked.state.resumed,
        latency_changes: soaked.latency_changes(plan.seed),
        drifts,
        samples: soaked.state.samples,
        total: soaked.state.tally,
        thresholds: held,
    };
    let seconds = start.elapsed().as_secs_f64();
    StageResult {
        name: "soak".to_owned(),
        verdict,
        reasons,
        seconds,
        detail: Detail::Soak(Box::new(report)),
    }
}

fn soak_verdict(
    plan: &SoakPlan,
    soaked: &soak::Soaked,
    drifts: &[soak::Drift],
    held: &[Held],
) -> (Verdict, Vec<String>) {
    let mut verdict = Verdict::all(
        drifts
            .iter()
            .map(|d| d.verdict)
            .chain(held.iter().map(|h| h.verdict)),
    );
    let mut reasons: Vec<String> = drifts.iter().map(drift_reason).collect();
    reasons.extend(
        held.iter()
            .map(|h| format!("{}: {} ({})", h.threshold, h.verdict, h.shown)),
    );
    if !soaked.complete {
        verdict = verdict.and(Verdict::Inconclusive);
        let done = show_seconds(soaked.state.done);
        reasons.insert(
            0,
            format!("stopped after {done}; the state file takes it up again"),
        );
    }
    if soaked.state.tally.ok == 0 {
        verdict = verdict.and(Verdict::Fail);
        reasons.insert(0, "no request was answered as asserted".to_owned());
    }
    if plan.speed != 1.0 {
        reasons.push(format!("carried out {} times faster than planned", plan.speed));
    }
    (verdict, reasons)
}

/// The totals of a soak in the form that thresholds ask.
fn as_measured(soaked: &soak::Soaked) -> Measured {
    let tag = crate::measure::Tag {
        kind: crate::measure::TagKind::Request,
        scenario: "soak".to_owned(),
        name: "soak".to_owned(),
    };
    let mut measured = Measured::new(vec![tag], vec![("soak".to_owned(), false)]);
    measured.seconds[0] = soaked.state.done;
    let cell = crate::measure::Cell {
        tally: soaked.state.tally.clone(),
        latency: soaked.latency(),
    };
    measured.add(0, 0, &cell);
    debug_assert_eq!(measured.select(&Selection::default()).tally, cell.tally);
    measured
}

fn drift_reason(drift: &soak::Drift) -> String {
    let share = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), crate::units::show_share);
    match drift.verdict {
        Verdict::Inconclusive if drift.change.is_none() => {
            format!(
                "drift of {} cannot be told: too few samples, or it was not measured",
                drift.figure
            )
        }
        _ => format!(
            "drift of {}: {} ({} to {}), allowed {}",
            drift.figure,
            share(drift.change),
            share(drift.low),
            share(drift.high),
            share(Some(drift.limit))
        ),
    }
}
