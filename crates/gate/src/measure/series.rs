//! A time series of constant memory: when it is full, neighbours join, and the worse of both stays visible.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most points a series keeps; at one a second it coarsens after 20 minutes, to two seconds a point.
const MOST_POINTS: usize = 1200;

/// One interval of a run. Latencies are the worst of the intervals joined into it; counts are sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Start, in seconds from the start of the run.
    pub at: f64,
    /// Length in seconds.
    pub length: f64,
    /// Requests asserted ok.
    pub ok: u64,
    /// Requests answered otherwise than asserted.
    pub not_ok: u64,
    /// Requests without an answer.
    pub no_answer: u64,
    /// Median latency in seconds; absent if nothing was answered.
    pub p50: Option<f64>,
    /// 95th percentile in seconds.
    pub p95: Option<f64>,
    /// 99th percentile in seconds.
    pub p99: Option<f64>,
    /// Longest in seconds.
    pub max: Option<f64>,
    /// 99th percentile of the generator's own delay in seconds (open model).
    pub lag_p99: Option<f64>,
    /// Journeys under way at its end.
    pub in_flight: u64,
}

impl Point {
    /// Requests of all outcomes per second.
    pub fn rate(&self) -> f64 {
        if self.length > 0.0 {
            (self.ok + self.not_ok + self.no_answer) as f64 / self.length
        } else {
            0.0
        }
    }

    fn join(self, next: &Self) -> Self {
        Self {
            at: self.at,
            length: next.at + next.length - self.at,
            ok: self.ok + next.ok,
            not_ok: self.not_ok + next.not_ok,
            no_answer: self.no_answer + next.no_answer,
            p50: worse(self.p50, next.p50),
            p95: worse(self.p95, next.p95),
            p99: worse(self.p99, next.p99),
            max: worse(self.max, next.max),
            lag_p99: worse(self.lag_p99, next.lag_p99),
            in_flight: self.in_flight.max(next.in_flight),
        }
    }
}

fn worse(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.max(right)),
        (one, other) => one.or(other),
    }
}

/// Points in order of time, at most [`MOST_POINTS`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The points.
    pub points: Vec<Point>,
    /// How many intervals are joined into each point but the last.
    pub joined: usize,
    pending: usize,
}

impl Series {
    /// Adds the next interval.
    pub fn push(&mut self, point: Point) {
        self.joined = self.joined.max(1);
        if self.pending == 0 || self.points.is_empty() {
            self.points.push(point);
            self.pending = 1;
        } else if let Some(last) = self.points.last_mut() {
            *last = std::mem::take(last).join(&point);
            self.pending += 1;
        }
        if self.pending >= self.joined {
            self.pending = 0;
        }
        if self.points.len() > MOST_POINTS {
            self.coarsen();
        }
    }

    /// Adds a sliver of an interval to the last point: alone its rate would look like a collapse.
    pub fn extend(&mut self, sliver: &Point) {
        match self.points.last_mut() {
            Some(last) => *last = std::mem::take(last).join(sliver),
            None => self.push(sliver.clone()),
        }
    }

    /// Adds the points of a run that went on at the same time: counts add up, of latencies the worse stays.
    pub fn overlay(&mut self, other: &Self) {
        for (index, point) in other.points.iter().enumerate() {
            match self.points.get_mut(index) {
                Some(own) => {
                    let (at, length) = (own.at, own.length);
                    let in_flight = own.in_flight + point.in_flight;
                    *own = Point {
                        at,
                        length,
                        in_flight,
                        ..std::mem::take(own).join(point)
                    };
                }
                None => self.points.push(point.clone()),
            }
        }
        self.joined = self.joined.max(other.joined);
    }

    fn coarsen(&mut self) {
        let points = std::mem::take(&mut self.points);
        for pair in points.chunks(2) {
            let first = pair[0].clone();
            self.points.push(match pair.get(1) {
                Some(second) => first.join(second),
                None => first,
            });
        }
        // An odd one out at the end is half of a joined point and takes the next intervals in.
        self.pending = if points.len() % 2 == 1 { self.joined } else { 0 };
        self.joined *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sliver_joins_the_last_point() {
        let mut series = Series::default();
        series.push(Point {
            length: 1.0,
            ok: 100,
            ..Point::default()
        });
        series.extend(&Point {
            at: 1.0,
            length: 0.01,
            ok: 1,
            p99: Some(0.5),
            ..Point::default()
        });
        assert_eq!(
            (series.points.len(), series.points[0].ok, series.points[0].p99),
            (1, 101, Some(0.5))
        );
        assert!((series.points[0].rate() - 100.0).abs() < 0.01);
    }

    #[test]
    fn a_long_run_stays_bounded_and_loses_no_count_and_no_worst_case() {
        let mut series = Series::default();
        for second in 0..86_400u32 {
            let p99 = if second == 50_000 { 9.0 } else { 0.1 };
            let at = f64::from(second);
            series.push(Point {
                at,
                length: 1.0,
                ok: 20,
                p99: Some(p99),
                ..Point::default()
            });
        }
        assert!(series.points.len() <= MOST_POINTS && series.points.len() > MOST_POINTS / 3);
        assert_eq!(series.points.iter().map(|p| p.ok).sum::<u64>(), 20 * 86_400);
        assert_eq!(series.points.iter().filter(|p| p.p99 == Some(9.0)).count(), 1);
        assert!((series.points[0].rate() - 20.0).abs() < 1e-9);
        let gaps = series
            .points
            .windows(2)
            .all(|w| (w[0].at + w[0].length - w[1].at).abs() < 1e-9);
        assert!(gaps, "points do not join up");
    }
}
