//! From rounds to answers: better, same, worse, cannot tell. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Round;
use super::stats::{median_interval, sign_test};
use super::table::everywhere;

/// What is said of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Surely better, and by more than the tolerance.
    Better,
    /// Within the tolerance.
    Same,
    /// Surely worse, and by more than the tolerance.
    Worse,
    /// The rounds do not suffice.
    CannotTell,
}

/// What matters, and how sure an answer must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Relative change that matters, such as 0.05.
    pub tolerance: f64,
    /// Change of the error rate that matters, such as 0.0005.
    pub error_tolerance: f64,
    /// Chance that equal releases are told apart, all figures together, however noisy the machine.
    pub alpha: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            tolerance: 0.05,
            error_tolerance: 0.0005,
            alpha: 0.01,
        }
    }
}

/// The answer for one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FigureAnswer {
    /// Name of the figure.
    pub figure: String,
    /// The answer.
    pub answer: Answer,
    /// Median over the baseline's slices.
    pub base: f64,
    /// Median over the candidate's slices.
    pub candidate: f64,
    /// Relative change (for `error_rate` the difference); positive means a larger figure.
    pub change: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Change that the baseline shows against itself in the same run.
    pub noise: f64,
    /// If it cannot be told: how many rounds would probably do.
    pub rounds_needed: Option<usize>,
}

/// Figures of which more is better; of all others less is.
const MORE_IS_BETTER: [&str; 1] = ["rate"];
/// Figures that are shown and not judged: extremes hang on single requests, and the mean on the extremes.
pub(super) const SHOWN_ONLY: [&str; 3] = ["min", "mean", "max"];
/// More rounds than this are not promised to help.
const MOST_ROUNDS: f64 = 10_000.0;

/// Answers for every figure that all rounds have, corrected for their number (Bonferroni).
pub fn decide(rounds: &[Round], rules: &Rules) -> Vec<FigureAnswer> {
    let Some(first) = rounds.first() else {
        return Vec::new();
    };
    let names: Vec<&'static str> = first
        .base
        .figures
        .keys()
        .copied()
        .filter(|name| !SHOWN_ONLY.contains(name) && everywhere(rounds, name))
        .collect();
    let alpha = rules.alpha / (names.len() + 1) as f64;
    let mut answers: Vec<_> = names
        .iter()
        .map(|name| ratio(rounds, name, rules.tolerance, alpha))
        .collect();
    answers.push(error_rate(rounds, rules.error_tolerance, alpha));
    answers
}

pub(super) fn ratio(rounds: &[Round], name: &'static str, tolerance: f64, alpha: f64) -> FigureAnswer {
    let log = |slice: &super::Slice| slice.figures[name].ln();
    let change: Vec<f64> = rounds
        .iter()
        .map(|r| log(&r.candidate) - (log(&r.base) + log(&r.again)) / 2.0)
        .collect();
    let noise: Vec<f64> = rounds.iter().map(|r| log(&r.again) - log(&r.base)).collect();
    let (base, candidate) = (
        middle(rounds, |r| r.base.figures[name]),
        middle(rounds, |r| r.candidate.figures[name]),
    );
    let limit = (1.0 + tolerance).ln();
    let unknown = (
        f64::NEG_INFINITY,
        middle(rounds, |r| log(&r.candidate) - log(&r.base)),
        f64::INFINITY,
    );
    let (low, mid, high) = median_interval(&change, alpha).unwrap_or(unknown);
    let own = median_interval(&noise, alpha);
    let floor = own.map_or(f64::INFINITY, |(l, _, h)| l.abs().max(h.abs()));
    // The order is random, so the baseline cannot differ from itself; if it seems to, a change must exceed that.
    let suspect = own.is_none_or(|(l, _, h)| l > 0.0 || h < 0.0);
    let bar = if suspect { floor } else { 0.0 };
    let answer = ratio_answer(name, (low, mid, high), bar, limit);
    let width = (high - low) / 2.0;
    let gap = (mid.abs() - limit).abs();
    FigureAnswer {
        figure: name.to_owned(),
        answer,
        base,
        candidate,
        change: mid.exp_m1(),
        low: finite(low.exp_m1()),
        high: finite(high.exp_m1()),
        noise: finite(floor.exp_m1()),
        rounds_needed: (answer == Answer::CannotTell).then(|| needed(rounds.len(), width, gap)),
    }
}

/// The median over the rounds.
fn middle(rounds: &[Round], pick: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    super::stats::median(&values)
}

/// A change counts if it is sure (the interval excludes none) and matters (its estimate exceeds the tolerance).
fn ratio_answer(name: &str, (low, mid, high): (f64, f64, f64), bar: f64, limit: f64) -> Answer {
    let (up, down) = (low > bar && mid > limit, high < -bar && mid < -limit);
    match (up, down) {
        (true, _) if MORE_IS_BETTER.contains(&name) => Answer::Better,
        (true, _) => Answer::Worse,
        (_, true) if MORE_IS_BETTER.contains(&name) => Answer::Worse,
        (_, true) => Answer::Better,
        _ if low >= -limit && high <= limit => Answer::Same,
        _ => Answer::CannotTell,
    }
}

/// JSON has no infinity: an interval without an end is written as a very large change.
fn finite(value: f64) -> f64 {
    value.clamp(-1.0, 1e6)
}

/// An interval shrinks with the square root of the rounds.
fn needed(rounds: usize, width: f64, gap: f64) -> usize {
    let factor = if width.is_finite() {
        (width / gap.max(1e-6)).powi(2).max(1.5)
    } else {
        3.0
    };
    (rounds.max(4) as f64 * factor).min(MOST_ROUNDS).ceil() as usize
}

/// Errors are rare and come in bursts, so rounds are compared by sign, and the size by the pooled rates.
///
/// Each round compares the candidate with one of the two baseline slices, alternating: then both sides are drawn alike
/// and the sign test is exact.
fn error_rate(rounds: &[Round], tolerance: f64, alpha: f64) -> FigureAnswer {
    let share = |s: &super::Slice| s.errors as f64 / s.total.max(1) as f64;
    let (mut plus, mut minus, mut odd_plus, mut odd_minus) = (0, 0, 0, 0);
    for (index, round) in rounds.iter().enumerate() {
        let partner = if index % 2 == 0 { &round.base } else { &round.again };
        plus += usize::from(share(&round.candidate) > share(partner));
        minus += usize::from(share(&round.candidate) < share(partner));
        odd_plus += usize::from(share(&round.again) > share(&round.base));
        odd_minus += usize::from(share(&round.again) < share(&round.base));
    }
    let (candidate, candidate_n) = pool(rounds, |r| (r.candidate.errors, r.candidate.total));
    let (base, base_n) = pool(rounds, |r| {
        (r.base.errors + r.again.errors, r.base.total + r.again.total)
    });
    let (first, _) = pool(rounds, |r| (r.base.errors, r.base.total));
    let (second, _) = pool(rounds, |r| (r.again.errors, r.again.total));
    let change = candidate - base;
    // Normal approximation with one error added to each side, so that no errors at all still leave a width.
    let spread = |share: f64, n: f64| (share + 1.0 / n) / n;
    let z = (2.0 * (1.0 / alpha).ln()).sqrt();
    let width = z * (spread(candidate, candidate_n) + spread(base, base_n)).sqrt();
    let sure = sign_test(plus, minus) <= alpha && sign_test(odd_plus, odd_minus) > alpha;
    let answer = match sure {
        true if change >= tolerance && plus > minus => Answer::Worse,
        true if change <= -tolerance && minus > plus => Answer::Better,
        _ if change.abs() + width <= tolerance => Answer::Same,
        _ => Answer::CannotTell,
    };
    FigureAnswer {
        figure: "error_rate".to_owned(),
        answer,
        base,
        candidate,
        change,
        low: change - width,
        high: change + width,
        noise: (second - first).abs(),
        rounds_needed: (answer == Answer::CannotTell)
            .then(|| needed(rounds.len(), width, (change.abs() - tolerance).abs())),
    }
}

/// The error rate over all rounds together, and the requests it is of (at least 1).
fn pool(rounds: &[Round], pick: impl Fn(&Round) -> (u64, u64)) -> (f64, f64) {
    let (errors, total) = rounds
        .iter()
        .map(pick)
        .fold((0, 0), |(e, t), (de, dt)| (e + de, t + dt));
    (errors as f64 / total.max(1) as f64, total.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::super::Slice;
    use super::*;

    /// A machine like ours: slices differ by 4 %, drift slowly together, and one in thirty is disturbed by half.
    struct Machine {
        random: ChaCha8Rng,
        drift: f64,
    }

    impl Machine {
        fn new(seed: u64) -> Self {
            Self {
                random: ChaCha8Rng::seed_from_u64(seed),
                drift: 0.0,
            }
        }

        fn normal(&mut self) -> f64 {
            let (u, v): (f64, f64) = (self.random.random(), self.random.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        }

        fn poisson(&mut self, mean: f64) -> u64 {
            let limit = (-mean).exp();
            let mut product: f64 = self.random.random();
            let mut count = 0;
            while product > limit {
                product *= self.random.random::<f64>();
                count += 1;
            }
            count
        }

        fn slice(&mut self, slower: f64, errors: f64) -> Slice {
            self.drift = 0.95 * self.drift + 0.02 * self.normal();
            let disturbed = if self.random.random::<f64>() < 1.0 / 30.0 {
                0.4
            } else {
                0.0
            };
            let level = self.drift + 0.03 * self.normal() + disturbed + slower.ln();
            let total = 1000;
            let figures = [("p50", 0.020, 0.02), ("p95", 0.045, 0.033), ("p99", 0.080, 0.059)]
                .map(|(name, value, sampling)| (name, value * (level + sampling * self.normal()).exp()));
            let errors = self.poisson(errors * total as f64);
            let mut figures: std::collections::BTreeMap<_, _> = figures.into();
            figures.insert("rate", 500.0 * (0.002 * self.normal()).exp());
            Slice {
                total,
                errors,
                figures,
            }
        }

        fn rounds(&mut self, count: usize, slower: f64, base_errors: f64, errors: f64) -> Vec<Round> {
            (0..count)
                .map(|_| Round {
                    base: self.slice(1.0, base_errors),
                    candidate: self.slice(slower, errors),
                    again: self.slice(1.0, base_errors),
                })
                .collect()
        }
    }

    fn answers(seed: u64, slower: f64, base_errors: f64, errors: f64) -> Vec<FigureAnswer> {
        decide(
            &Machine::new(seed).rounds(40, slower, base_errors, errors),
            &Rules::default(),
        )
    }

    fn answer(answers: &[FigureAnswer], figure: &str) -> Answer {
        answers.iter().find(|a| a.figure == figure).unwrap().answer
    }

    #[test]
    fn equal_builds_raise_no_alarm_in_two_hundred_comparisons() {
        let alarms = |errors| {
            let wrong = |a: &FigureAnswer| matches!(a.answer, Answer::Worse | Answer::Better);
            (0..100)
                .filter(|seed| answers(*seed, 1.0, errors, errors).iter().any(wrong))
                .count()
        };
        assert!(alarms(0.0) + alarms(0.002) <= 2);
    }

    #[test]
    fn a_tenth_slower_is_found() {
        let found = (0..100)
            .filter(|seed| answer(&answers(*seed, 1.1, 0.0, 0.0), "p50") == Answer::Worse)
            .count();
        assert!(found >= 95, "{found} of 100");
        let better = (0..100)
            .filter(|s| answer(&answers(*s, 1.0 / 1.15, 0.0, 0.0), "p50") == Answer::Better)
            .count();
        assert!(better >= 95, "{better} of 100");
    }

    #[test]
    fn one_error_in_a_thousand_is_found() {
        let found = (0..100)
            .filter(|seed| answer(&answers(*seed, 1.0, 0.0, 0.001), "error_rate") == Answer::Worse)
            .count();
        assert!(found >= 95, "{found} of 100");
    }

    #[test]
    fn equal_builds_are_called_the_same_more_often_than_not() {
        let same = (0..50)
            .filter(|seed| answer(&answers(*seed, 1.0, 0.0, 0.0), "p50") == Answer::Same)
            .count();
        assert!(same >= 25, "{same} of 50");
    }

    #[test]
    fn too_few_rounds_cannot_tell_and_say_how_many_would_do() {
        let rounds = Machine::new(1).rounds(4, 1.5, 0.0, 0.0);
        for answer in decide(&rounds, &Rules::default()) {
            assert_eq!(answer.answer, Answer::CannotTell, "{answer:?}");
            assert!(answer.rounds_needed.unwrap() > 4);
        }
        assert!(decide(&[], &Rules::default()).is_empty());
    }
}
