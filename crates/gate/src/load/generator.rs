//! The generator watches itself: its delay, its processor time, and whether it, not the server, limited the run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Model;
use crate::measure::{Latency, Summary};
use crate::units::{show_seconds, show_share};

/// Processor time of one thread, from the scheduler's own accounting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ThreadTimes {
    /// Seconds spent running.
    pub busy: f64,
    /// Seconds ready to run but waiting for a processor.
    pub waiting: f64,
}

impl ThreadTimes {
    /// Times of the calling thread so far; `None` where the system does not tell (anything but Linux).
    pub fn of_this_thread() -> Option<Self> {
        // farmgate: allow(blocking-fs) because read once, before the load begins
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let mut numbers = text.split_whitespace().map(|n| n.parse::<f64>().ok());
        Some(Self {
            busy: numbers.next()?? / 1e9,
            waiting: numbers.next()?? / 1e9,
        })
    }
}

/// Share of its threads' time above which a closed-model generator counts as the bottleneck.
const BUSY_LIMIT: f64 = 0.95;
/// Share of planned requests that an open model must have handed out.
const DELIVERED_LEAST: f64 = 0.998;
/// The generator's delay may be this share of the latency it measures...
const LAG_SHARE: f64 = 0.1;
/// ...and delays shorter than this never matter, in seconds.
const LAG_HARMLESS: f64 = 0.005;

/// What the generator knows about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorReport {
    /// Generator threads, the pacer not counted.
    pub threads: usize,
    /// Open model: requests that the plan asked for until the run ended.
    pub planned: u64,
    /// Open model: requests handed to generator threads.
    pub handed_out: u64,
    /// Delay between the instant a request was due and the generator attending to it, in seconds (open model).
    pub lag: Option<Summary>,
    /// Seconds of processor time the generator threads and the pacer used; absent where the system does not tell.
    pub processor_seconds: Option<f64>,
    /// Share of the generator threads' time spent running.
    pub busy: Option<f64>,
    /// Share of the generator threads' time spent ready but waiting for a processor.
    pub starved: Option<f64>,
    /// Most turns that waited for a free user at once.
    pub peak_queue: usize,
    /// Why the generator, not the server, limited the run; absent if it did not.
    pub limited: Option<String>,
    /// Why latencies look worse than they were: the generator was late now and then, and its delay is part of them.
    /// Promises that hold nevertheless hold; broken ones cannot be blamed on the server.
    pub disturbed: Option<String>,
}

impl GeneratorReport {
    /// Fills [`limited`](Self::limited) by the rules of `docs/load-model.md`.
    pub(super) fn judge(&mut self, model: Model, measured: &Latency, lag: &Latency, cut_short: bool) {
        self.disturbed = lateness(0.95, measured, lag).filter(|_| model == Model::Open);
        self.limited = match model {
            Model::Open => self.limit_of_open(measured, lag, cut_short),
            Model::Closed => self.busy.filter(|busy| *busy >= BUSY_LIMIT).map(|busy| {
                format!(
                    "the generator's threads were busy {} of the time",
                    show_share(busy)
                )
            }),
        };
    }

    fn limit_of_open(&self, measured: &Latency, lag: &Latency, cut_short: bool) -> Option<String> {
        let delivered = self.handed_out as f64 / (self.planned as f64).max(1.0);
        if delivered < DELIVERED_LEAST && !cut_short {
            return Some(format!(
                "only {} of the planned requests were sent in time",
                show_share(delivered)
            ));
        }
        lateness(0.5, measured, lag)
    }
}

/// Says so if this percentile of the generator's delay is a large part of the same percentile of what it measured.
fn lateness(share: f64, measured: &Latency, lag: &Latency) -> Option<String> {
    let (own, seen) = (lag.quantile(share)?, measured.quantile(share)?);
    (own > LAG_HARMLESS && own > LAG_SHARE * seen).then(|| {
        format!(
            "the generator's own delay (p{} {}) is a large part of the latency it measured ({})",
            share * 100.0,
            show_seconds(own),
            show_seconds(seen)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_at(micros: u64) -> Latency {
        let mut latency = Latency::default();
        (0..1000).for_each(|_| latency.record(micros));
        latency
    }

    fn judged(model: Model, report: GeneratorReport, measured_us: u64, lag_us: u64) -> Option<String> {
        let mut report = report;
        report.judge(model, &all_at(measured_us), &all_at(lag_us), false);
        report.limited
    }

    #[test]
    fn a_generator_that_is_late_by_much_of_what_it_measures_says_so() {
        let full = GeneratorReport {
            planned: 1000,
            handed_out: 1000,
            ..GeneratorReport::default()
        };
        assert!(judged(Model::Open, full.clone(), 20_000, 8_000).is_some());
        assert_eq!(judged(Model::Open, full.clone(), 500_000, 8_000), None);
        assert_eq!(judged(Model::Open, full, 300, 4_000), None);
    }

    #[test]
    fn a_generator_that_is_late_now_and_then_is_disturbed_but_not_the_limit() {
        let mut lag = all_at(100);
        (0..100).for_each(|_| lag.record(30_000));
        let mut report = GeneratorReport {
            planned: 1000,
            handed_out: 1000,
            ..GeneratorReport::default()
        };
        report.judge(Model::Open, &all_at(20_000), &lag, false);
        assert!(report.limited.is_none() && report.disturbed.is_some());
        report.judge(Model::Open, &all_at(500_000), &lag, false);
        assert_eq!(report.disturbed, None);
    }

    #[test]
    fn a_generator_that_did_not_send_what_was_planned_says_so() {
        let short = GeneratorReport {
            planned: 1000,
            handed_out: 990,
            ..GeneratorReport::default()
        };
        assert!(judged(Model::Open, short, 20_000, 10).is_some());
    }

    #[test]
    fn a_closed_generator_without_a_free_moment_says_so() {
        let busy = |share| GeneratorReport {
            busy: Some(share),
            ..GeneratorReport::default()
        };
        assert!(judged(Model::Closed, busy(0.97), 1000, 1).is_some());
        assert_eq!(judged(Model::Closed, busy(0.6), 1000, 1), None);
    }

    #[test]
    fn thread_times_grow_with_work() {
        let Some(before) = ThreadTimes::of_this_thread() else {
            return;
        };
        let mut x = 1u64;
        for i in 0..20_000_000u64 {
            x = std::hint::black_box(x.wrapping_mul(i | 1));
        }
        let after = ThreadTimes::of_this_thread().unwrap();
        assert!(after.busy > before.busy, "{x}");
    }
}
