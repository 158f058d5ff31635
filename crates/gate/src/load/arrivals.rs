//! When each request of an open model is due: constant rates, steps, ramps and Poisson arrivals, as pure arithmetic.
//! Nothing here waits; `pacer` does.

use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::plan::Phase;

/// One planned arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// When it is due, from the start of the run.
    pub due: Duration,
    /// Index of the phase it belongs to.
    pub phase: u16,
}

/// All arrivals of a list of phases, in order.
///
/// Within a phase the expected number of arrivals after `t` seconds is `N(t) = from*t + (to-from)*t²/2T`. The k-th
/// arrival is where `N` reaches `k`; for Poisson arrivals, where it reaches the k-th point of a unit-rate process.
pub struct Arrivals {
    phases: Vec<Phase>,
    poisson: Option<ChaCha8Rng>,
    current: usize,
    phase_start: Duration,
    target: f64,
}

impl Arrivals {
    /// Plans the arrivals of `phases`, whose loads are rates per second; `poisson` makes the gaps random.
    pub fn new(phases: &[Phase], poisson: bool, seed: u64) -> Self {
        let mut arrivals = Self {
            phases: phases.to_vec(),
            poisson: poisson.then(|| ChaCha8Rng::seed_from_u64(seed)),
            current: 0,
            phase_start: Duration::ZERO,
            target: 0.0,
        };
        arrivals.target = arrivals.first_target();
        arrivals
    }

    fn gap(&mut self) -> f64 {
        match &mut self.poisson {
            None => 1.0,
            Some(rng) => -(1.0 - rng.random::<f64>()).ln(),
        }
    }

    fn first_target(&mut self) -> f64 {
        if self.poisson.is_some() { self.gap() } else { 0.0 }
    }
}

/// Seconds after which a rate that goes from `from` to `to` over `length` seconds has brought `count` arrivals.
fn seconds_until(count: f64, from: f64, to: f64, length: f64) -> f64 {
    if count == 0.0 {
        return 0.0;
    }
    let slope = (to - from) / length;
    2.0 * count / (from + (from * from + 2.0 * slope * count).max(0.0).sqrt())
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let phase = self.phases.get(self.current)?;
            let length = phase.duration.as_secs_f64();
            let total = (phase.from + phase.to) / 2.0 * length;
            // The last hair of a phase belongs to the next one: `total` may carry a rounding error of a few ulps.
            if self.target < total - 1e-9 * total.max(1.0) {
                let offset = seconds_until(self.target, phase.from, phase.to, length);
                let due = self.phase_start + Duration::from_secs_f64(offset);
                self.target += self.gap();
                return Some(Arrival {
                    due,
                    phase: self.current as u16,
                });
            }
            self.phase_start += phase.duration;
            self.current += 1;
            self.target = self.first_target();
        }
    }
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
    fn a_constant_rate_is_evenly_spaced_and_complete() {
        let dues: Vec<_> = Arrivals::new(&[phase(1000.0, 1000.0, 2)], false, 1).collect();
        assert_eq!(dues.len(), 2000);
        for (k, arrival) in dues.iter().enumerate() {
            assert!((arrival.due.as_secs_f64() - k as f64 / 1000.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_ramp_brings_half_of_its_area_by_seven_tenths_of_its_time() {
        let dues: Vec<_> = Arrivals::new(&[phase(0.0, 200.0, 10)], false, 1).collect();
        assert_eq!(dues.len(), 1000);
        assert!((dues[500].due.as_secs_f64() - 10.0 / 2f64.sqrt()).abs() < 0.01);
        assert!(dues.windows(2).all(|w| w[0].due <= w[1].due));
    }

    #[test]
    fn a_ramp_down_to_zero_ends_and_steps_follow_each_other() {
        let dues: Vec<_> = Arrivals::new(&[phase(100.0, 0.0, 2), phase(10.0, 10.0, 1)], false, 1).collect();
        assert_eq!(dues.len(), 110);
        assert_eq!(dues.iter().filter(|a| a.phase == 1).count(), 10);
        assert!(dues[100].due >= Duration::from_secs(2));
    }

    #[test]
    fn poisson_arrivals_have_exponential_gaps_and_repeat_with_their_seed() {
        let dues: Vec<_> = Arrivals::new(&[phase(1000.0, 1000.0, 100)], true, 7).collect();
        let again: Vec<_> = Arrivals::new(&[phase(1000.0, 1000.0, 100)], true, 7).collect();
        assert_eq!(dues, again);
        assert!(
            (dues.len() as f64 - 100_000.0).abs() < 4.0 * 100_000f64.sqrt(),
            "{}",
            dues.len()
        );
        let gaps: Vec<f64> = dues
            .windows(2)
            .map(|w| (w[1].due - w[0].due).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential distribution's deviation equals its mean.
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.03,
            "{}",
            variance.sqrt() / mean
        );
    }
}
