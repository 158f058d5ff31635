//! The before/after table: what a release manager compares by eye, beside what the statistics say of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decide::{SHOWN_ONLY, ratio};
use super::{Answer, FigureAnswer, Round, Rules, Slice};
use crate::units::{show_bytes, show_number, show_seconds, show_share};

/// One row: a figure of both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableRow {
    /// Name of the figure.
    pub figure: String,
    /// Of the baseline.
    pub base: Option<f64>,
    /// Of the candidate.
    pub candidate: Option<f64>,
    /// Relative change; of `success` the difference.
    pub change: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
    /// What is said of it; `None` for figures that are shown and not judged.
    pub answer: Option<Answer>,
}

/// The table of rounds and of what was decided about them: total, success, throughput, latencies from the least to the
/// largest, then the rest.
pub fn before_after(rounds: &[Round], answers: &[FigureAnswer], rules: &Rules) -> Vec<TableRow> {
    if rounds.is_empty() {
        return Vec::new();
    }
    let judged = |name: &str| answers.iter().find(|answer| answer.figure == name);
    let mut rows = vec![total(rounds)];
    rows.extend(judged("error_rate").map(success));
    rows.extend(judged("rate").map(|answer| row("throughput", answer)));
    let alpha = rules.alpha / (answers.len().max(1)) as f64;
    for name in ["min", "mean", "p50", "p95", "p99", "max"] {
        rows.extend(judged(name).map(|answer| row(name, answer)));
        let shown = SHOWN_ONLY
            .iter()
            .find(|shown| **shown == name && everywhere(rounds, shown));
        rows.extend(shown.map(|shown| TableRow {
            answer: None,
            ..row(name, &ratio(rounds, shown, rules.tolerance, alpha))
        }));
    }
    let listed = ["error_rate", "rate", "p50", "p95", "p99"];
    let others = answers
        .iter()
        .filter(|answer| !listed.contains(&answer.figure.as_str()));
    rows.extend(others.map(|answer| row(&answer.figure, answer)));
    rows
}

/// Whether every slice has the figure, above nothing: only then it has a logarithm.
pub(super) fn everywhere(rounds: &[Round], name: &str) -> bool {
    let positive = |slice: &Slice| slice.figures.get(name).is_some_and(|value| *value > 0.0);
    rounds
        .iter()
        .all(|r| positive(&r.base) && positive(&r.candidate) && positive(&r.again))
}

fn total(rounds: &[Round]) -> TableRow {
    let sum = |pick: fn(&Round) -> u64| Some(rounds.iter().map(pick).sum::<u64>() as f64);
    TableRow {
        figure: "total".to_owned(),
        base: sum(|r| r.base.total + r.again.total),
        candidate: sum(|r| r.candidate.total),
        ..TableRow::default()
    }
}

/// The share of answers as asserted, which is what is left of the error rate.
fn success(errors: &FigureAnswer) -> TableRow {
    TableRow {
        figure: "success".to_owned(),
        base: Some(1.0 - errors.base),
        candidate: Some(1.0 - errors.candidate),
        change: Some(0.0 - errors.change),
        low: Some(0.0 - errors.high),
        high: Some(0.0 - errors.low),
        answer: Some(errors.answer),
    }
}

fn row(name: &str, answer: &FigureAnswer) -> TableRow {
    TableRow {
        figure: name.to_owned(),
        base: Some(answer.base),
        candidate: Some(answer.candidate),
        change: Some(answer.change),
        low: Some(answer.low),
        high: Some(answer.high),
        answer: Some(answer.answer),
    }
}

/// Heads of the columns that [`TableRow::cells`] fills.
pub const HEAD: [&str; 6] = ["figure", "baseline", "candidate", "change", "interval", "answer"];

impl TableRow {
    /// Its cells as words, each figure in its own unit.
    pub fn cells(&self) -> [String; 6] {
        let dash = || "–".to_owned();
        let figure = |value: Option<f64>| value.map_or_else(dash, |v| show_figure(&self.figure, v));
        let signed = |v: f64| format!("{}{}", if v > 0.0 { "+" } else { "" }, show_share(v));
        let interval = match (self.low, self.high) {
            // An interval without an end: too few rounds.
            (Some(low), Some(high)) if low <= -1.0 && high >= 1e6 => "any".to_owned(),
            (Some(low), Some(high)) => format!("{} .. {}", signed(low), signed(high)),
            _ => dash(),
        };
        let answer = match self.answer {
            Some(Answer::Better) => "better",
            Some(Answer::Same) => "same",
            Some(Answer::Worse) => "WORSE",
            Some(Answer::CannotTell) => "cannot tell",
            None => "not judged",
        };
        [
            self.figure.clone(),
            figure(self.base),
            figure(self.candidate),
            self.change.map_or_else(dash, signed),
            interval,
            answer.to_owned(),
        ]
    }
}

/// The table for a terminal of 80 columns.
pub fn table(rows: &[TableRow]) -> String {
    let line = |[figure, base, candidate, change, interval, answer]: [String; 6]| {
        format!("{figure:<10} {base:>9} {candidate:>9} {change:>8}  {interval:<19}  {answer}\n")
    };
    if rows.is_empty() {
        return String::new();
    }
    let mut text = line(HEAD.map(str::to_owned));
    text.extend(rows.iter().map(|row| line(row.cells())));
    text
}

/// A figure in its own unit.
pub(crate) fn show_figure(name: &str, value: f64) -> String {
    match name {
        "total" => show_number(value),
        "rate" | "throughput" => format!("{value:.1}/s"),
        "error_rate" | "success" => show_share(value),
        "memory" => show_bytes(value),
        _ => show_seconds(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::decide;

    fn slice(scale: f64, errors: u64) -> Slice {
        let figures = [
            ("min", 0.001),
            ("mean", 0.012),
            ("p50", 0.010),
            ("p95", 0.030),
            ("max", 0.2),
            ("rate", 100.0),
        ];
        Slice {
            total: 1000,
            errors,
            figures: figures
                .map(|(name, v)| (name, if name == "rate" { v } else { v * scale }))
                .into(),
        }
    }

    #[test]
    fn it_has_every_figure_of_both_sides_in_at_most_eighty_columns() {
        let round = Round {
            base: slice(1.0, 0),
            candidate: slice(1.5, 5),
            again: slice(1.0, 0),
        };
        let rounds = vec![round; 20];
        let rules = Rules::default();
        let rows = before_after(&rounds, &decide(&rounds, &rules), &rules);
        let names: Vec<_> = rows.iter().map(|row| row.figure.as_str()).collect();
        assert_eq!(
            names,
            [
                "total",
                "success",
                "throughput",
                "min",
                "mean",
                "p50",
                "p95",
                "max"
            ]
        );
        let text = table(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let line = |name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(line("total"), "total 40000 20000 – – not judged");
        assert_eq!(line("mean"), "mean 12ms 18ms +50% +50% .. +50% not judged");
        assert_eq!(line("p50"), "p50 10ms 15ms +50% +50% .. +50% WORSE");
        assert!(line("success").starts_with("success 100% 99.5% -0.5%"), "{text}");
        assert!(before_after(&[], &[], &rules).is_empty());
    }
}
