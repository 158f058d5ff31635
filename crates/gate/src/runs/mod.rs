//! Load, soak and comparison as stages of a report: thresholds, early abort and server figures around the engines.
//! The runs are boxed futures, so that the engines are compiled with this crate and not again by whoever starts them.
//! The soak has a file of its own.

mod soak;

use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::compare::{self, ComparePlan, Side};
use crate::config::Promise;
use crate::live::Live;
use crate::load::{self, Control, Crew, JourneyCrew, Plan, SingleCrew};
use crate::report::{CompareReport, Detail, LoadReport, StageResult};
use crate::server::{LiveFigures, ServerSeries, Sources, sample};
use crate::threshold::{Held, Threshold};
use crate::units::show_seconds;
use crate::verdict::{Verdict, proves_nothing};
pub use soak::{SoakTarget, soak};

/// Who sends the requests of a run.
#[derive(Clone)]
pub enum Senders {
    /// One URL.
    Single(SingleCrew),
    /// Scenarios.
    Journeys(JourneyCrew),
}

impl Senders {
    /// The weight of each journey; one for a single URL.
    pub fn weights(&self) -> Vec<f64> {
        match self {
            Self::Single(_) => vec![1.0],
            Self::Journeys(crew) => crew.weights(),
        }
    }

    /// Names of the scenarios that assert nothing.
    fn unasserted(&self) -> Vec<String> {
        match self {
            Self::Single(crew) => crew.unasserted(),
            Self::Journeys(crew) => crew.unasserted(),
        }
    }
}

/// A load run with its promises.
pub struct LoadSpec {
    /// Name of the stage.
    pub name: String,
    /// What it does.
    pub plan: Plan,
    /// Thresholds.
    pub promises: Vec<Promise>,
    /// Where figures of the server come from.
    pub sources: Sources,
}

/// A sampler on its way.
struct Sampling {
    live: watch::Receiver<LiveFigures>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<ServerSeries>,
}

impl Sampling {
    fn start(sources: Sources) -> Option<Self> {
        if sources.metrics.is_none() && sources.pid.is_none() {
            return None;
        }
        let (send, live) = watch::channel(LiveFigures::default());
        let stop = CancellationToken::new();
        let task = tokio::spawn(sample(sources, stop.clone(), send));
        Some(Self { live, stop, task })
    }

    async fn end(self) -> Option<ServerSeries> {
        self.stop.cancel();
        self.task.await.ok()
    }

    /// What was sampled, if anything was.
    async fn end_if_any(sampling: Option<Self>) -> Option<ServerSeries> {
        match sampling {
            Some(sampling) => sampling.end().await,
            None => None,
        }
    }
}

/// Carries out a load run.
///
/// # Errors
/// If a generator thread cannot be started.
pub fn load(
    spec: LoadSpec,
    senders: Senders,
    cancel: CancellationToken,
    live: &mut Live,
) -> LocalBoxFuture<'_, std::io::Result<StageResult>> {
    match senders {
        Senders::Single(crew) => Box::pin(load_with(spec, crew, cancel, live)),
        Senders::Journeys(crew) => Box::pin(load_with(spec, crew, cancel, live)),
    }
}

async fn load_with<C: Crew>(
    spec: LoadSpec,
    crew: C,
    cancel: CancellationToken,
    live: &mut Live,
) -> std::io::Result<StageResult> {
    let start = Instant::now();
    let LoadSpec {
        name,
        plan,
        promises,
        sources,
    } = spec;
    let unasserted = crew.unasserted();
    let sampling = Sampling::start(sources);
    let model = plan.model;
    let figures = sampling.as_ref().map(|s| s.live.clone());
    let watcher = |progress: &load::Progress<'_>| {
        let highest = figures
            .as_ref()
            .map(|f| f.borrow().highest.clone())
            .unwrap_or_default();
        let held: Vec<Held> = promises
            .iter()
            .map(|p| p.threshold.check(progress.measured, &highest))
            .collect();
        live.load(progress, &held);
        broken(&promises, &held, progress.elapsed)
    };
    let run = load::run(plan, crew, cancel, watcher).await?;
    live.end();
    let server = Sampling::end_if_any(sampling).await;
    let highest = server.as_ref().map(|s| s.highest.clone()).unwrap_or_default();
    let thresholds: Vec<Threshold> = promises.into_iter().map(|p| p.threshold).collect();
    let held = thresholds
        .iter()
        .map(|t| t.check(&run.measured, &highest))
        .collect();
    let mut report = LoadReport::new(model, &run, held, server);
    report.unasserted = unasserted;
    Ok(loaded(name, report, &thresholds, start))
}

/// The stage of a load run that has ended.
fn loaded(name: String, report: LoadReport, thresholds: &[Threshold], start: Instant) -> StageResult {
    let (verdict, reasons) = report.judge(thresholds);
    let seconds = start.elapsed().as_secs_f64();
    StageResult {
        name,
        verdict,
        reasons,
        seconds,
        detail: Detail::Load(Box::new(report)),
    }
}

fn broken(promises: &[Promise], held: &[Held], elapsed: Duration) -> Control {
    let aborts = promises.iter().zip(held).find(|(promise, held)| {
        held.verdict == Verdict::Fail && promise.abort_after.is_some_and(|after| elapsed >= after.0)
    });
    match aborts {
        Some((_, held)) => Control::Abort(format!("{} does not hold: {}", held.threshold, held.shown)),
        None => Control::Continue,
    }
}

/// Compares two live releases.
///
/// # Errors
/// If a generator thread cannot be started.
pub fn compare<'a>(
    plan: &'a ComparePlan,
    names: (&'a str, &'a str),
    base: (Senders, Sources),
    candidate: (Senders, Sources),
    cancel: CancellationToken,
    live: &'a mut Live,
) -> LocalBoxFuture<'a, std::io::Result<StageResult>> {
    Box::pin(compare_live(plan, names, base, candidate, cancel, live))
}

async fn compare_live(
    plan: &ComparePlan,
    names: (&str, &str),
    base: (Senders, Sources),
    candidate: (Senders, Sources),
    cancel: CancellationToken,
    live: &mut Live,
) -> std::io::Result<StageResult> {
    let start = Instant::now();
    // Both sides are sent the same.
    let unasserted = base.0.unasserted();
    live.say(&plan.announce());
    let mut done = |number| {
        let elapsed = start.elapsed();
        let left = elapsed.mul_f64((plan.rounds - number) as f64 / number as f64);
        live.step(
            elapsed,
            &format!(
                "round {number} of {}, about {} left",
                plan.rounds,
                show_seconds(left.as_secs_f64())
            ),
        );
    };
    let rounds = take_rounds(plan, base, candidate, cancel, &mut done).await?;
    let announced = plan.announce();
    let stage = compared(
        &rounds,
        &plan.rules,
        names,
        announced,
        start.elapsed().as_secs_f64(),
    );
    Ok(without_proof(stage, &unasserted))
}

async fn take_rounds(
    plan: &ComparePlan,
    base: (Senders, Sources),
    candidate: (Senders, Sources),
    cancel: CancellationToken,
    done: &mut dyn FnMut(usize),
) -> std::io::Result<Vec<compare::Round>> {
    match (base, candidate) {
        ((Senders::Single(b), bs), (Senders::Single(c), cs)) => {
            let base = Side { crew: b, sources: bs };
            let candidate = Side { crew: c, sources: cs };
            compare::run(plan, base, candidate, cancel, done).await
        }
        ((Senders::Journeys(b), bs), (Senders::Journeys(c), cs)) => {
            let base = Side { crew: b, sources: bs };
            let candidate = Side { crew: c, sources: cs };
            compare::run(plan, base, candidate, cancel, done).await
        }
        _ => Err(std::io::Error::other(
            "both sides must be sent the same scenarios",
        )),
    }
}

/// The stage, which cannot pass if a scenario of its run asserts nothing.
pub fn without_proof(mut stage: StageResult, unasserted: &[String]) -> StageResult {
    for name in unasserted {
        stage.verdict = stage.verdict.and(Verdict::Inconclusive);
        stage.reasons.insert(0, proves_nothing(name));
    }
    stage
}

/// The stage of rounds that have been taken, live or from recorded runs.
pub fn compared(
    rounds: &[compare::Round],
    rules: &compare::Rules,
    (base, candidate): (&str, &str),
    plan: String,
    seconds: f64,
) -> StageResult {
    let (verdict, answers, reasons) = compare::conclude(rounds, rules);
    let report = CompareReport {
        base: base.to_owned(),
        candidate: candidate.to_owned(),
        rounds: rounds.len(),
        plan,
        table: compare::before_after(rounds, &answers, rules),
        answers,
    };
    StageResult {
        name: "compare".to_owned(),
        verdict,
        reasons,
        seconds,
        detail: Detail::Compare(report),
    }
}
