//! Figures computed from the text of a metrics endpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::process::total_memory;

/// How a figure is computed from metrics: `name`, `name{label="value"}`, `rate(name)`, and quotients `a / b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    over: Term,
    under: Option<Term>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(f64),
    Metric {
        name: String,
        labels: Vec<String>,
        rate: bool,
    },
}

impl std::str::FromStr for Formula {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (over, under) = match text.split_once(" / ") {
            Some((over, under)) => (over, Some(under)),
            None => (text, None),
        };
        Ok(Self {
            over: term(over)?,
            under: under.map(term).transpose()?,
        })
    }
}

fn term(text: &str) -> Result<Term, String> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Ok(Term::Number(number));
    }
    let (inner, rate) = match text.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let (name, labels) = match inner.split_once('{') {
        Some((name, rest)) => (
            name,
            rest.strip_suffix('}')
                .ok_or_else(|| format!("`{text}`: `}}` is missing"))?,
        ),
        None => (inner, ""),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if name.is_empty() || !name.chars().all(valid) {
        return Err(format!(
            "`{name}` is no metric name: write name, name{{label=\"value\"}}, rate(name) or a / b"
        ));
    }
    let labels = labels
        .split(',')
        .map(|l| l.trim().to_owned())
        .filter(|l| !l.is_empty())
        .collect();
    Ok(Term::Metric {
        name: name.to_owned(),
        labels,
        rate,
    })
}

impl Term {
    /// The sum over all series that match; `None` if there is none.
    fn value(&self, now: &Scrape, before: Option<&Scrape>) -> Option<f64> {
        let Self::Metric { name, labels, rate } = self else {
            let Self::Number(number) = self else { return None };
            return Some(*number);
        };
        let current = now.sum(name, labels)?;
        if !rate {
            return Some(current);
        }
        let before = before?;
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        let growth = current - before.sum(name, labels)?;
        // A counter that shrank belongs to a server that was started anew.
        (seconds > 0.0 && growth >= 0.0).then(|| growth / seconds)
    }
}

impl Formula {
    pub(super) fn value(&self, now: &Scrape, before: Option<&Scrape>) -> Option<f64> {
        let over = self.over.value(now, before)?;
        match &self.under {
            None => Some(over),
            Some(under) => under
                .value(now, before)
                .filter(|u| *u != 0.0)
                .map(|under| over / under),
        }
    }
}

/// One reading of a metrics endpoint.
#[derive(Clone, Debug)]
pub(super) struct Scrape {
    pub(super) at: Instant,
    pub(super) text: Arc<str>,
}

impl Scrape {
    fn sum(&self, name: &str, labels: &[String]) -> Option<f64> {
        let series = self.text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (set, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None if rest.starts_with([' ', '\t']) => ("", rest),
                None => return None,
            };
            let matches = labels
                .iter()
                .all(|label| set.split(',').any(|own| own.trim() == label));
            matches
                .then(|| value.split_whitespace().next()?.parse::<f64>().ok())
                .flatten()
        });
        series.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

/// The figures every endpoint with the standard process metrics can give.
pub fn default_formulas(cores: usize) -> BTreeMap<String, Formula> {
    let metric = |name: &str, rate| Term::Metric {
        name: name.to_owned(),
        labels: Vec::new(),
        rate,
    };
    let total = total_memory().map(Term::Number);
    let alone = |over| Formula { over, under: None };
    let mut formulas = BTreeMap::from([
        (
            "server.resident_bytes".to_owned(),
            alone(metric("process_resident_memory_bytes", false)),
        ),
        (
            "server.open_files".to_owned(),
            alone(metric("process_open_fds", false)),
        ),
        (
            "server.processor_seconds".to_owned(),
            alone(metric("process_cpu_seconds_total", false)),
        ),
        (
            "server.cpu".to_owned(),
            Formula {
                over: metric("process_cpu_seconds_total", true),
                under: Some(Term::Number(cores as f64)),
            },
        ),
    ]);
    if let Some(total) = total {
        let memory = Formula {
            over: metric("process_resident_memory_bytes", false),
            under: Some(total),
        };
        formulas.insert("server.memory".to_owned(), memory);
    }
    formulas
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn scrape_of(text: &str, at: Instant) -> Scrape {
        Scrape {
            at,
            text: text.into(),
        }
    }

    fn value(formula: &str, now: &Scrape, before: Option<&Scrape>) -> Option<f64> {
        formula.parse::<Formula>().unwrap().value(now, before)
    }

    #[test]
    fn formulas_read_gauges_rates_and_quotients() {
        let start = Instant::now();
        let text = "# HELP x\nin_use{pool=\"a\",db=\"p\"} 3\nin_use{pool=\"b\"} 4 1700000\nlimit 20\nlimit_other 9\ncpu_total 5";
        let before = scrape_of(text, start);
        let now = scrape_of(
            &text.replace("cpu_total 5", "cpu_total 8"),
            start + Duration::from_secs(2),
        );
        assert_eq!(value("in_use", &now, None), Some(7.0));
        assert_eq!(value("in_use{pool=\"a\"} / limit", &now, None), Some(0.15));
        assert_eq!(value("rate(cpu_total)", &now, Some(&before)), Some(1.5));
        assert_eq!(value("rate(cpu_total)", &now, None), None);
        assert_eq!(value("absent", &now, None), None);
    }

    #[test]
    fn a_restarted_server_gives_no_rate() {
        let (now, start) = (Instant::now() + Duration::from_secs(1), Instant::now());
        assert_eq!(
            value("rate(c)", &scrape_of("c 1", now), Some(&scrape_of("c 9", start))),
            None
        );
    }
}
