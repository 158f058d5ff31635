//! What a load run is to do: model, phases, warm-up, limits. Reading it from `gate.toml` or arguments lives elsewhere.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who decides when the next request starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Requests arrive at a rate, whether or not earlier ones have been answered; phase loads are arrivals per second.
    Open,
    /// Users start their next journey when the last one has ended; phase loads are numbers of users.
    Closed,
}

/// A stretch of the run with its own load and its own histograms.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// Name shown in reports and usable as a tag in thresholds.
    pub name: String,
    /// True if its figures are kept apart and enter no threshold.
    pub warmup: bool,
    /// How long it lasts.
    pub duration: Duration,
    /// Load at its start: arrivals per second (open) or users (closed).
    pub from: f64,
    /// Load at its end.
    pub to: f64,
}

/// The pause of a user between two journeys of the closed model, drawn evenly from the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Think {
    /// Shortest pause.
    pub least: Duration,
    /// Longest pause.
    pub most: Duration,
}

/// A load run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Open or closed.
    pub model: Model,
    /// Phases in order; warm-up phases come from [`with_warmup`].
    pub phases: Vec<Phase>,
    /// Whether the gaps of an open model are exponential instead of even.
    pub poisson: bool,
    /// Pause between journeys of the closed model.
    pub think: Think,
    /// Weight of each journey the crew knows; a heavier one is chosen more often.
    pub weights: Vec<f64>,
    /// Seed of every random choice.
    pub seed: u64,
    /// How long requests that are under way at the end may take to finish.
    pub drain: Duration,
    /// Open model: most journeys under way at once, all generator threads together.
    pub max_in_flight: usize,
    /// Generator threads.
    pub threads: usize,
    /// How often figures are collected, shown and compared with early-abort thresholds.
    pub tick: Duration,
}

/// Share of the whole run that warm-up takes when nothing else is said.
pub const WARMUP_SHARE: f64 = 0.1;
/// Longest warm-up when nothing else is said.
pub const WARMUP_LONGEST: Duration = Duration::from_secs(30);

impl Plan {
    /// Length of the whole run, warm-up included, draining not.
    pub fn duration(&self) -> Duration {
        self.phases.iter().map(|p| p.duration).sum()
    }

    /// Index of the phase that is running `elapsed` after the start, the last one afterwards.
    pub fn phase_at(&self, elapsed: Duration) -> usize {
        let mut end = Duration::ZERO;
        for (index, phase) in self.phases.iter().enumerate() {
            end += phase.duration;
            if elapsed < end {
                return index;
            }
        }
        self.phases.len().saturating_sub(1)
    }

    /// The most users any phase of a closed model asks for.
    pub fn most_users(&self) -> usize {
        self.phases
            .iter()
            .map(|p| p.from.max(p.to).ceil() as usize)
            .max()
            .unwrap_or(0)
    }
}

/// The warm-up rule: a tenth of the run, at most 30 seconds.
pub fn default_warmup(total: Duration) -> Duration {
    total.mul_f64(WARMUP_SHARE).min(WARMUP_LONGEST)
}

/// Marks the first `warmup` of the run as warm-up by splitting the phase it ends in.
///
/// The load itself is unchanged: warm-up is a rule about which figures count, not an extra phase. What remains of a
/// split phase keeps its name.
pub fn with_warmup(phases: Vec<Phase>, warmup: Duration) -> Vec<Phase> {
    let mut left = warmup;
    let mut result = Vec::with_capacity(phases.len() + 1);
    for phase in phases {
        if left.is_zero() {
            result.push(phase);
        } else if phase.duration <= left {
            left -= phase.duration;
            result.push(Phase {
                warmup: true,
                name: format!("{} (warm-up)", phase.name),
                ..phase
            });
        } else {
            let share = left.as_secs_f64() / phase.duration.as_secs_f64();
            let middle = phase.from + (phase.to - phase.from) * share;
            result.push(Phase {
                name: format!("{} (warm-up)", phase.name),
                warmup: true,
                duration: left,
                from: phase.from,
                to: middle,
            });
            result.push(Phase {
                duration: phase.duration - left,
                from: middle,
                ..phase
            });
            left = Duration::ZERO;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(from: f64, to: f64, seconds: u64) -> Phase {
        Phase {
            name: "p".to_owned(),
            warmup: false,
            duration: Duration::from_secs(seconds),
            from,
            to,
        }
    }

    #[test]
    fn warm_up_splits_the_phase_it_ends_in_and_changes_no_load() {
        let phases = with_warmup(
            vec![phase(0.0, 100.0, 10), phase(100.0, 100.0, 10)],
            Duration::from_secs(5),
        );
        let seen: Vec<_> = phases
            .iter()
            .map(|p| (p.warmup, p.duration.as_secs(), p.from, p.to))
            .collect();
        assert_eq!(
            seen,
            [
                (true, 5, 0.0, 50.0),
                (false, 5, 50.0, 100.0),
                (false, 10, 100.0, 100.0)
            ]
        );
    }

    #[test]
    fn a_warm_up_longer_than_the_run_leaves_nothing_to_measure() {
        let phases = with_warmup(vec![phase(1.0, 1.0, 10)], Duration::from_secs(20));
        assert!(phases.iter().all(|p| p.warmup));
    }
}
