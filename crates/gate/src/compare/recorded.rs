//! Recorded load runs as rounds, and the before/after table. Recorded runs were not interleaved: what the machine did
//! between them is part of the difference, and the report says so.

use super::{Answer, FigureAnswer, Round, Slice};
use crate::measure::Point;
use crate::report::LoadReport;
use crate::units::{show_bytes, show_seconds, show_share};

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
    let latencies = [("p50", point.p50), ("p95", point.p95), ("p99", point.p99)];
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

/// The before/after table for a terminal: one line per figure.
pub fn table(answers: &[FigureAnswer]) -> String {
    let mut lines = format!(
        "{:<11} {:>10} {:>10} {:>8}  {:<19} {:>7}  {}\n",
        "figure", "baseline", "candidate", "change", "interval", "noise", "answer"
    );
    for answer in answers {
        let signed = |v: f64| format!("{}{}", if v > 0.0 { "+" } else { "" }, show_share(v));
        let word = match (answer.answer, answer.rounds_needed) {
            (Answer::Better, _) => "better".to_owned(),
            (Answer::Same, _) => "same".to_owned(),
            (Answer::Worse, _) => "WORSE".to_owned(),
            (Answer::CannotTell, Some(rounds)) => format!("cannot tell: about {rounds} rounds would do"),
            (Answer::CannotTell, None) => "cannot tell".to_owned(),
        };
        lines += &format!(
            "{:<11} {:>10} {:>10} {:>8}  {:<19} {:>7}  {}\n",
            answer.figure,
            show_figure(&answer.figure, answer.base),
            show_figure(&answer.figure, answer.candidate),
            signed(answer.change),
            format!("{} .. {}", signed(answer.low), signed(answer.high)),
            show_share(answer.noise),
            word
        );
    }
    lines
}

/// A figure in its own unit.
pub(crate) fn show_figure(name: &str, value: f64) -> String {
    match name {
        "rate" => format!("{value:.1}/s"),
        "error_rate" => show_share(value),
        "memory" => show_bytes(value),
        _ => show_seconds(value),
    }
}
