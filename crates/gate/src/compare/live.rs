//! Two live releases, interleaved: each round is a slice of the baseline, of the candidate and of the baseline again, in
//! random order, so that whatever else the machine does falls on all of them alike.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;

use super::{Answer, FigureAnswer, Round, Rules, Slice, decide};
use crate::load::plan::{Model, Phase, Plan, Think, with_warmup};
use crate::load::{Control, Crew, run as run_load};
use crate::measure::Selection;
use crate::server::{Sources, look_once};
use crate::verdict::Verdict;

/// How two releases are compared.
#[derive(Clone, Debug)]
pub struct ComparePlan {
    /// Requests per second in each slice.
    pub rate: f64,
    /// Length of a slice.
    pub slice: Duration,
    /// Rounds.
    pub rounds: usize,
    /// What matters.
    pub rules: Rules,
    /// Seed of the order.
    pub seed: u64,
    /// Time for answers under way at the end of a slice.
    pub drain: Duration,
    /// Weight of each journey.
    pub weights: Vec<f64>,
}

impl ComparePlan {
    /// What can be resolved, to be said before it begins.
    pub fn announce(&self) -> String {
        let requests = self.rate * self.slice.as_secs_f64() * 0.9;
        let seconds = self.slice.as_secs_f64() * 3.0 * self.rounds as f64;
        let percentile = match requests {
            r if r >= 1000.0 => "p50, p95 and p99 can be resolved",
            r if r >= 200.0 => "p50 and p95 can be resolved, p99 needs about 1000 requests a slice",
            _ => "only p50 can be resolved: raise the rate or the length of a slice",
        };
        let errors = 14.0 / (requests * self.rounds as f64);
        format!(
            "{} rounds of 3 slices with {requests:.0} requests each, about {seconds:.0} s; {percentile}; error rates \
             above {} can be told from none",
            self.rounds,
            crate::units::show_share(errors)
        )
    }
}

/// One of the two releases: who sends the requests, and where its own figures come from.
#[derive(Clone, Debug)]
pub struct Side<C> {
    /// Sends the requests.
    pub crew: C,
    /// Processor time and memory, if it tells them.
    pub sources: Sources,
}

/// Runs all rounds, fewer if cancelled; `done` is told the number of each finished round.
///
/// # Errors
/// If a generator thread cannot be started.
pub async fn run<C: Crew>(
    plan: &ComparePlan,
    base: Side<C>,
    candidate: Side<C>,
    cancel: CancellationToken,
    done: &mut dyn FnMut(usize),
) -> std::io::Result<Vec<Round>> {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut rounds = Vec::new();
    // The first slice of each side warms it up and is thrown away.
    for side in [&base, &candidate] {
        slice(plan, side, &cancel).await?;
    }
    while rounds.len() < plan.rounds && !cancel.is_cancelled() {
        let mut round = Round::default();
        let mut order = [0, 1, 2];
        order.shuffle(&mut random);
        for place in order {
            match place {
                0 => round.base = slice(plan, &base, &cancel).await?,
                1 => round.candidate = slice(plan, &candidate, &cancel).await?,
                _ => round.again = slice(plan, &base, &cancel).await?,
            }
        }
        if !cancel.is_cancelled() {
            rounds.push(round);
            done(rounds.len());
        }
    }
    Ok(rounds)
}

async fn slice<C: Crew>(
    plan: &ComparePlan,
    side: &Side<C>,
    cancel: &CancellationToken,
) -> std::io::Result<Slice> {
    let steady = Phase {
        name: "slice".to_owned(),
        warmup: false,
        duration: plan.slice,
        from: plan.rate,
        to: plan.rate,
    };
    let load = Plan {
        model: Model::Open,
        phases: with_warmup(vec![steady], plan.slice / 10),
        poisson: false,
        think: Think::default(),
        weights: plan.weights.clone(),
        seed: plan.seed,
        drain: plan.drain,
        max_in_flight: 10_000,
        threads: 1,
        tick: Duration::from_secs(1),
    };
    let before = look_once(&side.sources).await;
    let run = run_load(load, side.crew.clone(), cancel.clone(), |_| Control::Continue).await?;
    let after = look_once(&side.sources).await;
    let all = run.measured.select(&Selection::default());
    let mut slice = Slice::of(&all, run.measured.seconds_of(&Selection::default()));
    let processor = |f: &crate::threshold::ServerFigures| f.get("server.processor_seconds").copied();
    if let (Some(from), Some(to)) = (processor(&before), processor(&after)) {
        slice
            .figures
            .insert("cpu", (to - from) / (plan.rate * plan.slice.as_secs_f64()));
    }
    slice
        .figures
        .extend(after.get("server.resident_bytes").map(|bytes| ("memory", *bytes)));
    Ok(slice)
}

/// Answers and verdict of rounds: worse anywhere fails; a figure that cannot be told, or no round at all, is
/// inconclusive.
pub fn conclude(rounds: &[Round], rules: &Rules) -> (Verdict, Vec<FigureAnswer>, Vec<String>) {
    let answers = decide(rounds, rules);
    let mut reasons: Vec<String> = Vec::new();
    let verdicts = answers.iter().map(|answer| match answer.answer {
        Answer::Worse => Verdict::Fail,
        Answer::CannotTell => Verdict::Inconclusive,
        Answer::Better | Answer::Same => Verdict::Pass,
    });
    let verdict = Verdict::all(verdicts);
    for answer in &answers {
        let show = |value| super::table::show_figure(&answer.figure, value);
        let (from, to) = (show(answer.base), show(answer.candidate));
        reasons.push(match answer.answer {
            Answer::Worse => format!("{} is worse: {from} became {to}", answer.figure),
            Answer::Better => format!("{} is better: {from} became {to}", answer.figure),
            Answer::Same => format!("{} is the same: {from} and {to}", answer.figure),
            Answer::CannotTell => format!(
                "{} cannot be told in {} rounds; about {} would do",
                answer.figure,
                rounds.len(),
                answer.rounds_needed.unwrap_or(0)
            ),
        });
    }
    if rounds.is_empty() {
        reasons.push("no round was completed".to_owned());
    }
    (verdict, answers, reasons)
}
