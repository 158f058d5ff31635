//! Drift as a robust slope (Theil–Sen) with Sen's interval, never first against last. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// Samples are joined into at most this many block medians first: neighbours are alike, and alike samples would make
/// the interval too narrow.
const MOST_BLOCKS: usize = 60;
/// Fewest blocks for an interval that means something.
const LEAST_BLOCKS: usize = 8;

/// How one figure drifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Name of the figure.
    pub figure: String,
    /// Level after warm-up: the median of the first tenth of the samples.
    pub warm_level: f64,
    /// Relative change over the whole run by the robust slope; absent if there were too few samples.
    pub change: Option<f64>,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub high: Option<f64>,
    /// Largest change allowed.
    pub limit: f64,
    /// Pass if the whole interval is within the limit, fail if all of it is beyond, else inconclusive.
    pub verdict: Verdict,
}

/// Slope with its 95 % interval: the median of the slopes of all pairs, and Sen's interval from Kendall's variance.
/// `None` for fewer than eight points.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let n = points.len();
    if n < LEAST_BLOCKS {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (i, left) in points.iter().enumerate() {
        slopes.extend(
            points[i + 1..]
                .iter()
                .filter(|r| r.0 > left.0)
                .map(|r| (r.1 - left.1) / (r.0 - left.0)),
        );
    }
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let variance = (n * (n - 1) * (2 * n + 5)) as f64 / 18.0;
    let reach = 1.96 * variance.sqrt();
    let rank = |position: f64| slopes[(position.max(0.0) as usize).min(slopes.len() - 1)];
    let total = slopes.len() as f64;
    Some((
        rank((total - reach) / 2.0 - 1.0),
        rank(total / 2.0),
        rank((total + reach) / 2.0),
    ))
}

/// Judges the drift of `samples` (time and value, in order); growth beyond `limit`, relative to the warm level, is bad,
/// shrinking is not.
pub fn judge_drift(figure: &str, samples: &[(f64, f64)], limit: f64) -> Drift {
    let blocks = block_medians(samples);
    let tenth = samples.len().div_ceil(10).min(samples.len());
    let mut first: Vec<f64> = samples[..tenth].iter().map(|s| s.1).collect();
    first.sort_by(f64::total_cmp);
    let warm_level = first.get(first.len() / 2).copied().unwrap_or(0.0);
    let length = match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    };
    let slope = theil_sen(&blocks).filter(|_| warm_level > 0.0 && length > 0.0);
    let relative = |slope: f64| slope * length / warm_level;
    let verdict = match slope {
        Some((_, _, high)) if relative(high) <= limit => Verdict::Pass,
        Some((low, _, _)) if relative(low) > limit => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    Drift {
        figure: figure.to_owned(),
        warm_level,
        change: slope.map(|s| relative(s.1)),
        low: slope.map(|s| relative(s.0)),
        high: slope.map(|s| relative(s.2)),
        limit,
        verdict,
    }
}

/// At most [`MOST_BLOCKS`] points: medians of equally many neighbours.
pub(super) fn block_medians(samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = samples.len().div_ceil(MOST_BLOCKS).max(1);
    let median = |pick: &dyn Fn(&(f64, f64)) -> f64, block: &[(f64, f64)]| {
        let mut values: Vec<f64> = block.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    samples
        .chunks(size)
        .map(|block| (median(&|p| p.0, block), median(&|p| p.1, block)))
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Memory that grows by `growth` over the run, saw-toothed, with one spike in fifty.
    fn memory(growth: f64, seed: u64) -> Vec<(f64, f64)> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let point = |i: u32| {
            let noise = 0.02 * (random.random::<f64>() - 0.5) + 0.01 * f64::from(i % 7) / 7.0;
            let spike = if i % 50 == 49 { 0.5 } else { 0.0 };
            (
                f64::from(i),
                100.0 * (1.0 + growth * f64::from(i) / 600.0 + noise + spike),
            )
        };
        (0..600).map(point).collect()
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let points: Vec<_> = (0..20)
            .map(|i| (f64::from(i), 3.0 + 0.5 * f64::from(i)))
            .collect();
        assert_eq!(theil_sen(&points), Some((0.5, 0.5, 0.5)));
        assert_eq!(theil_sen(&points[..5]), None);
    }

    #[test]
    fn a_leak_fails_and_steady_memory_with_spikes_passes() {
        for seed in 0..20 {
            assert_eq!(
                judge_drift("memory", &memory(0.0, seed), 0.05).verdict,
                Verdict::Pass,
                "{seed}"
            );
            assert_eq!(
                judge_drift("memory", &memory(-0.2, seed), 0.05).verdict,
                Verdict::Pass,
                "{seed}"
            );
            assert_eq!(
                judge_drift("memory", &memory(0.15, seed), 0.05).verdict,
                Verdict::Fail,
                "{seed}"
            );
        }
    }

    #[test]
    fn without_samples_nothing_is_concluded() {
        assert_eq!(judge_drift("memory", &[], 0.05).verdict, Verdict::Inconclusive);
        assert_eq!(
            judge_drift("memory", &memory(0.0, 1)[..5], 0.05).verdict,
            Verdict::Inconclusive
        );
    }
}
