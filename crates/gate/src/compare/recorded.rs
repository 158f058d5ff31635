//! Recorded load runs as rounds. Recorded runs were not interleaved: what the machine did
//! between them is part of the difference, and the report says so.

use super::{Round, Slice};
use crate::measure::Point;
use crate::report::LoadReport;

/// Rounds from two recorded runs: two intervals of the baseline against one of the candidate, in order.
pub fn rounds_of(base: &LoadReport, candidate: &LoadReport) -> Vec<Round> {
    let warmup = |r: &LoadReport| r.phases.iter().filter(|p| p.1).map(|p| p.2).sum::<f64>();
    let usable = |r: &LoadReport| -> Vec<Point> {
        let begin = warmup(r);
        r.series
            .points
            .iter()
            .filter(|p| p.at >= begin && p.p99.is_some())
            .cloned()
            .collect()
    };
    let (base, candidate) = (usable(base), usable(candidate));
    base.chunks_exact(2)
        .zip(&candidate)
        .map(|(pair, point)| Round {
            base: slice(&pair[0]),
            candidate: slice(point),
            again: slice(&pair[1]),
        })
        .collect()
}

fn slice(point: &Point) -> Slice {
    let latencies = [
        ("p50", point.p50),
        ("p95", point.p95),
        ("p99", point.p99),
        ("max", point.max),
    ];
    let mut figures: std::collections::BTreeMap<_, _> = latencies
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    figures.insert("rate", point.rate());
    let errors = point.not_ok + point.no_answer;
    Slice {
        total: point.ok + errors,
        errors,
        figures,
    }
}
