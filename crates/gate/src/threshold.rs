//! Thresholds: expressions such as `p95(login) < 500ms`, read with the position of what is wrong, and decided against
//! what was measured. A figure that was not measured makes its threshold inconclusive, never a pass.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{Measured, Selection};
use crate::units::{Span, show_number, show_seconds, show_share};
use crate::verdict::Verdict;

/// What a threshold looks at.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A percentile of latency; the share is between 0 and 1.
    Percentile(f64),
    /// Shortest latency.
    Min,
    /// Mean latency.
    Mean,
    /// Longest latency.
    Max,
    /// Requests of all outcomes per second.
    Rate,
    /// Requests answered as asserted, per second.
    OkRate,
    /// Share of requests not answered as asserted.
    ErrorRate,
    /// Number of requests.
    Count,
    /// A figure of the server, by its dotted name such as `server.cpu`; the highest value sampled counts.
    Server(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Share,
    Plain,
}

impl Figure {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "min" => Self::Min,
            "mean" | "avg" => Self::Mean,
            "max" => Self::Max,
            "rps" | "rate" => Self::Rate,
            "ok_rps" => Self::OkRate,
            "error_rate" => Self::ErrorRate,
            "count" => Self::Count,
            "median" => Self::Percentile(0.5),
            _ if word.contains('.') && !word.starts_with('p') => Self::Server(word.to_owned()),
            _ => Self::Percentile(percentile(word.strip_prefix('p')?)?),
        })
    }

    fn unit(&self) -> Unit {
        match self {
            Self::Percentile(_) | Self::Min | Self::Mean | Self::Max => Unit::Seconds,
            Self::ErrorRate => Unit::Share,
            Self::Server(name) if SHARES.contains(&name.as_str()) => Unit::Share,
            Self::Rate | Self::OkRate | Self::Count | Self::Server(_) => Unit::Plain,
        }
    }
}

/// `95` is 0.95, `99.9` and `999` are 0.999.
fn percentile(digits: &str) -> Option<f64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let share = match digits.len() {
        3.. if plain && digits.starts_with('9') => {
            digits.parse::<f64>().ok()? / 10f64.powi(digits.len() as i32)
        }
        _ => digits.parse::<f64>().ok()? / 100.0,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// A promise about one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    figure: Figure,
    selection: Selection,
    relation: Relation,
    limit: f64,
    percent: bool,
}

/// Why an expression could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at column {column} of `{text}`: {hint}")]
pub struct BadThreshold {
    /// The expression.
    pub text: String,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}

impl BadThreshold {
    /// What is wrong at this byte of the text.
    fn at(text: &str, byte: usize, message: String, hint: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            column: text[..byte].chars().count() + 1,
            message,
            hint,
        }
    }
}

const FIGURES_HINT: &str = "known are p50 to p99.99, median, min, mean, max, rps, ok_rps, error_rate, count, and server \
                            figures with a dot such as server.cpu; put a scenario, request or phase name in brackets";
const LIMIT_HINT: &str =
    "write a time such as 500ms for latencies, a share such as 0.1% for error_rate, else a number";

/// Server figures that are shares by definition; others may be, and then their formula says so.
const SHARES: [&str; 2] = ["server.cpu", "server.memory"];

const SHARE_HINT: &str = "a share lies between 0% and 100%: write 2% for two in a hundred, or 0.02";

impl FromStr for Threshold {
    type Err = BadThreshold;

    fn from_str(text: &str) -> Result<Self, BadThreshold> {
        let (comparison, relation) = read_relation(text)?;
        let (word, tag) = read_left(text, comparison.start)?;
        let figure = Figure::from_word(word)
            .ok_or_else(|| BadThreshold::at(text, 0, format!("`{word}` is no figure"), FIGURES_HINT))?;
        let rest = &text[comparison.end..];
        let right = rest.trim();
        let bad = |hint| {
            let at = text.len() - rest.trim_start().len();
            BadThreshold::at(text, at, format!("`{right}` is no limit for `{word}`"), hint)
        };
        let limit = read_limit(right, figure.unit()).ok_or_else(|| bad(LIMIT_HINT))?;
        if figure.unit() == Unit::Share && !is_share(right, limit) {
            return Err(bad(SHARE_HINT));
        }
        let selection = Selection {
            word: tag.map(str::to_owned),
            ..Selection::default()
        };
        Ok(Self {
            text: text.trim().to_owned(),
            figure,
            selection,
            relation,
            limit,
            percent: right.ends_with('%'),
        })
    }
}

/// Where the comparison stands, and which it is.
fn read_relation(text: &str) -> Result<(Range<usize>, Relation), BadThreshold> {
    let at = text.find(['<', '>']).ok_or_else(|| {
        let message = "a comparison is missing".to_owned();
        BadThreshold::at(text, text.len(), message, "write <, <=, > or >= and a limit")
    })?;
    let equal = text[at + 1..].starts_with('=');
    let relation = match (&text[at..=at], equal) {
        ("<", false) => Relation::Less,
        ("<", true) => Relation::LessOrEqual,
        (_, false) => Relation::More,
        (_, true) => Relation::MoreOrEqual,
    };
    Ok((at..at + 1 + usize::from(equal), relation))
}

/// The word of the figure, and the name in brackets behind it, of what stands before the comparison.
fn read_left(text: &str, end: usize) -> Result<(&str, Option<&str>), BadThreshold> {
    let left = text[..end].trim();
    let Some((word, rest)) = left.split_once('(') else {
        return Ok((left, None));
    };
    let name = rest
        .strip_suffix(')')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let missing = || BadThreshold::at(text, end, "`)` or a name is missing".to_owned(), FIGURES_HINT);
    Ok((word.trim(), Some(name.ok_or_else(missing)?)))
}

fn read_limit(text: &str, unit: Unit) -> Option<f64> {
    let share = || Some(text.strip_suffix('%')?.trim().parse::<f64>().ok()? / 100.0);
    let value = match unit {
        Unit::Seconds => text.parse::<Span>().ok()?.0.as_secs_f64(),
        Unit::Share => share().or_else(|| text.parse().ok())?,
        Unit::Plain => share().or_else(|| text.parse().ok())?,
    };
    (value.is_finite() && value >= 0.0).then_some(value)
}

/// Whether a limit is one that a share can have. A bare 1 may mean one in a hundred or all of them: it says neither.
fn is_share(text: &str, limit: f64) -> bool {
    limit < 1.0 || (limit == 1.0 && text.ends_with('%'))
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether one threshold held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// The expression as written.
    pub threshold: String,
    /// Pass, fail, or inconclusive if the figure was not measured.
    pub verdict: Verdict,
    /// The figure: seconds, a share or a number; absent if it was not measured.
    pub value: Option<f64>,
    /// The figure as people read it, or why it is missing.
    pub shown: String,
}

/// Highest value sampled of each server figure.
pub type ServerFigures = BTreeMap<String, f64>;

impl Threshold {
    /// Name of the scenario, request or phase it is about.
    pub fn word(&self) -> Option<&str> {
        self.selection.word.as_deref()
    }

    /// True if it is about correctness or about the server itself: such a failure stands even if the generator was slow.
    pub fn survives_a_slow_generator(&self) -> bool {
        matches!(self.figure, Figure::ErrorRate | Figure::Server(_))
    }

    /// Decides it. Without any request, or without the server figure, it is inconclusive.
    pub fn check(&self, measured: &Measured, server: &ServerFigures) -> Held {
        let value = self.value(measured, server);
        let verdict = match value {
            None => Verdict::Inconclusive,
            Some(value) if self.holds(value) => Verdict::Pass,
            Some(_) => Verdict::Fail,
        };
        let shown = match value {
            Some(value) => self.show(value),
            None => self.why_missing(measured),
        };
        Held {
            threshold: self.text.clone(),
            verdict,
            value,
            shown,
        }
    }

    fn holds(&self, value: f64) -> bool {
        match self.relation {
            Relation::Less => value < self.limit,
            Relation::LessOrEqual => value <= self.limit,
            Relation::More => value > self.limit,
            Relation::MoreOrEqual => value >= self.limit,
        }
    }

    fn value(&self, measured: &Measured, server: &ServerFigures) -> Option<f64> {
        if let Figure::Server(name) = &self.figure {
            return server.get(name).copied();
        }
        let cell = measured.select(&self.selection);
        let total = cell.tally.total();
        let seconds = measured.seconds_of(&self.selection);
        let per_second = |count: u64| (total > 0 && seconds > 0.0).then(|| count as f64 / seconds);
        match &self.figure {
            Figure::Percentile(share) => cell.latency.quantile(*share),
            Figure::Min => cell.latency.min(),
            Figure::Mean => cell.latency.mean(),
            Figure::Max => cell.latency.max(),
            Figure::Rate => per_second(total),
            Figure::OkRate => per_second(cell.tally.ok),
            Figure::ErrorRate => cell.tally.error_rate(),
            Figure::Count => (total > 0).then_some(total as f64),
            Figure::Server(_) => None,
        }
    }

    fn show(&self, value: f64) -> String {
        match self.figure.unit() {
            Unit::Seconds => show_seconds(value),
            Unit::Share => show_share(value),
            Unit::Plain if self.percent => show_share(value),
            Unit::Plain => show_number(value),
        }
    }

    fn why_missing(&self, measured: &Measured) -> String {
        match (&self.figure, self.word()) {
            (Figure::Server(name), _) => format!("not measured: no source gave `{name}`"),
            (_, Some(word)) if !measured.knows(word) => {
                format!("not measured: no scenario, request or phase is named `{word}`")
            }
            _ => "not measured: no request was counted".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Answer, Cell, Tag, TagKind};

    fn measured() -> Measured {
        let tag = |name: &str| Tag {
            kind: TagKind::Request,
            scenario: "shop".into(),
            name: name.into(),
        };
        let mut measured = Measured::new(
            vec![tag("login"), tag("GET /list")],
            vec![("steady".into(), false)],
        );
        measured.seconds = vec![10.0];
        let mut cell = Cell::default();
        (1..=999).for_each(|ms| cell.record(Answer::Ok, 200, 1, ms * 1000));
        cell.record(Answer::NotOk, 500, 1, 1_000_000);
        measured.add(0, 0, &cell);
        measured
    }

    fn verdict(text: &str) -> Verdict {
        let server = ServerFigures::from([("server.cpu".to_owned(), 0.5)]);
        text.parse::<Threshold>()
            .unwrap()
            .check(&measured(), &server)
            .verdict
    }

    #[test]
    fn thresholds_hold_or_not() {
        for (text, expected) in [
            ("p95(login) < 960ms", Verdict::Pass),
            ("p95(login) < 940ms", Verdict::Fail),
            ("p99.9 < 2s", Verdict::Pass),
            ("p999 <= 0.9s", Verdict::Fail),
            ("error_rate <= 0.1%", Verdict::Pass),
            ("error_rate < 0.1%", Verdict::Fail),
            ("rps >= 100", Verdict::Pass),
            ("rps(steady) > 100", Verdict::Fail),
            ("ok_rps > 99.8", Verdict::Pass),
            ("max(shop/login) < 2s", Verdict::Pass),
            ("count >= 1000", Verdict::Pass),
            ("server.cpu < 70%", Verdict::Pass),
            ("server.cpu < 40%", Verdict::Fail),
            ("server.cpu < 0.7", Verdict::Pass),
            ("error_rate <= 0.001", Verdict::Pass),
            ("error_rate < 100%", Verdict::Pass),
        ] {
            assert_eq!(verdict(text), expected, "{text}");
        }
    }

    #[test]
    fn what_was_not_measured_never_passes() {
        for text in [
            "p95(logout) < 9s",
            "error_rate(GET /list) < 1%",
            "server.memory < 80%",
            "rps(nobody) < 5",
        ] {
            assert_eq!(verdict(text), Verdict::Inconclusive, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_column() {
        for (text, column) in [
            ("p95 500ms", 10),
            ("p95 < 500", 7),
            ("speed < 5", 1),
            ("p95(login < 5ms", 11),
            ("error_rate < 5ms", 14),
            ("error_rate < 2", 14),
            ("error_rate < 1", 14),
            ("error_rate < 100", 14),
            ("error_rate < 200%", 14),
            ("server.cpu < 70", 14),
            ("server.memory <= 101%", 18),
        ] {
            let error = text.parse::<Threshold>().unwrap_err();
            assert_eq!(error.column, column, "{error}");
        }
    }
}
