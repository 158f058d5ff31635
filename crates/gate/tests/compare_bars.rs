//! The bars of the comparison, in numbers: on a simulated machine, in virtual time, the same figures and the same
//! decisions as live, many times over.
//!
//!   cargo nextest run -p gate --test compare_bars --no-capture                               a part of it
//!   FARMGATE_COMPARE_BARS=full cargo nextest run -p gate --test compare_bars --no-capture    all of it

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gate::compare::{Answer, FigureAnswer, Round, Rules, Slice, decide};
use gate::measure::{Answer as Outcome, Cell};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const ROUNDS: usize = 40;
/// Requests of a slice, and their distance in microseconds: two seconds at 500 a second.
const REQUESTS: u64 = 1000;
const EVERY: u64 = 2000;

/// A release: how much slower than the other it serves, and how often it errs.
#[derive(Clone, Copy)]
struct Release {
    slower: f64,
    errors: f64,
}

/// A machine that drifts, is now and then disturbed for a slice, and sometimes stands still for 50 ms.
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

    fn chance(&mut self, share: f64) -> bool {
        self.random.random::<f64>() < share
    }

    /// One slice of an open load on a server with eight workers and one queue.
    fn slice(&mut self, release: Release) -> Slice {
        self.drift = 0.95 * self.drift + 0.02 * self.normal();
        let disturbed = if self.chance(1.0 / 30.0) { 0.4 } else { 0.0 };
        let level = (self.drift + 0.03 * self.normal() + disturbed).exp() * release.slower;
        let stall = self
            .chance(1.0 / 20.0)
            .then(|| (self.random.random::<f64>() * (REQUESTS * EVERY) as f64) as u64);
        let mut free: BinaryHeap<Reverse<u64>> = (0..8).map(|_| Reverse(0)).collect();
        let mut cell = Cell::default();
        for number in 0..REQUESTS {
            let due = number * EVERY;
            let Reverse(idle) = free.pop().unwrap();
            let mut begin = due.max(idle);
            if let Some(stall) = stall.filter(|stall| (*stall..*stall + 50_000).contains(&begin)) {
                begin = stall + 50_000;
            }
            let end = begin + (8000.0 * level * (0.4 * self.normal()).exp()) as u64;
            free.push(Reverse(end));
            let (outcome, status) = match self.chance(release.errors) {
                true => (Outcome::NotOk, 500),
                false => (Outcome::Ok, 200),
            };
            cell.record(outcome, status, 0, end - due);
        }
        Slice::of(&cell, (REQUESTS * EVERY) as f64 / 1e6)
    }
}

fn compared(seed: u64, base: Release, candidate: Release) -> Vec<FigureAnswer> {
    let mut machine = Machine::new(seed);
    let rounds: Vec<Round> = (0..ROUNDS)
        .map(|_| Round {
            base: machine.slice(base),
            candidate: machine.slice(candidate),
            again: machine.slice(base),
        })
        .collect();
    decide(&rounds, &Rules::default())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test reads how much of it is asked for"
)]
fn comparisons(part: u64, full: u64) -> u64 {
    if std::env::var("FARMGATE_COMPARE_BARS").is_ok_and(|v| v == "full") {
        full
    } else {
        part
    }
}

/// Share of comparisons in which the figure is called worse.
fn found(figure: &str, candidate: Release, runs: u64) -> f64 {
    let hits = (0..runs)
        .filter(|seed| {
            let answers = compared(1000 + seed, EQUAL, candidate);
            answers
                .iter()
                .any(|a| a.figure == figure && a.answer == Answer::Worse)
        })
        .count();
    println!("{figure}: found in {hits} of {runs} comparisons of {ROUNDS} rounds");
    hits as f64 / runs as f64
}

const EQUAL: Release = Release {
    slower: 1.0,
    errors: 0.0,
};

#[test]
fn equal_releases_raise_at_most_one_false_alarm_in_a_hundred() {
    let runs = comparisons(20, 200);
    let alarms = (0..runs)
        .filter(|seed| {
            // Half of them err alike: errors, too, must not tell equal releases apart.
            let release = Release {
                errors: if seed % 2 == 0 { 0.0 } else { 0.002 },
                ..EQUAL
            };
            let wrong = |a: &FigureAnswer| matches!(a.answer, Answer::Worse | Answer::Better);
            compared(*seed, release, release).iter().any(wrong)
        })
        .count();
    println!("equal releases: {alarms} false alarms in {runs} comparisons of {ROUNDS} rounds");
    assert!(alarms as f64 <= 0.01 * runs as f64, "{alarms} of {runs}");
}

#[test]
fn a_tenth_slower_is_found_in_nineteen_of_twenty() {
    let slower = Release { slower: 1.1, ..EQUAL };
    assert!(found("p50", slower, comparisons(10, 100)) >= 0.95);
}

#[test]
fn one_error_in_a_thousand_is_found_in_nineteen_of_twenty() {
    let leaking = Release {
        errors: 0.001,
        ..EQUAL
    };
    assert!(found("error_rate", leaking, comparisons(10, 100)) >= 0.95);
}
