//! Figures of the server under test, sampled during a run: from any Prometheus text endpoint, or from the process table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scenario::http::{Connect, Connection, Limits, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::threshold::ServerFigures;

/// Longest answer of a metrics endpoint.
const MAX_METRICS: usize = 16 * 1024 * 1024;
/// Most samples kept; when reached, every second one is dropped and the pace halves.
const MOST_SAMPLES: usize = 2000;
/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 for every Linux program interface.
const TICKS: f64 = 100.0;

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
    fn value(&self, now: &Scrape, before: Option<&Scrape>) -> Option<f64> {
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
struct Scrape {
    at: Instant,
    text: Arc<str>,
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

/// Where figures of the server come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A Prometheus text endpoint.
    pub metrics: Option<Request>,
    /// How its connection is opened.
    pub connect: Option<Connect>,
    /// Figures computed from it, by dotted name.
    pub formulas: BTreeMap<String, Formula>,
    /// A process on this machine.
    pub pid: Option<u32>,
    /// How often it is looked at.
    pub every: Duration,
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

/// One look at the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSample {
    /// Seconds from the start of sampling.
    pub at: f64,
    /// Figures by name.
    pub figures: BTreeMap<String, f64>,
}

/// What a sampler found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSeries {
    /// Samples in order of time.
    pub samples: Vec<ServerSample>,
    /// Highest value of each figure.
    pub highest: ServerFigures,
    /// Looks that gave nothing, with the last reason.
    pub failed: u64,
    /// Why the last failed look failed.
    pub last_failure: Option<String>,
}

impl ServerSeries {
    fn add(&mut self, sample: ServerSample) {
        for (name, value) in &sample.figures {
            let highest = self.highest.entry(name.clone()).or_insert(*value);
            *highest = highest.max(*value);
        }
        self.samples.push(sample);
    }
}

/// What a sampler shows while it runs.
#[derive(Clone, Debug, Default)]
pub struct LiveFigures {
    /// The last look.
    pub latest: ServerFigures,
    /// Highest value of each figure so far.
    pub highest: ServerFigures,
}

/// Looks at the server until `cancel`, and returns everything seen; `live` is told of every look.
pub async fn sample(
    sources: Sources,
    cancel: CancellationToken,
    live: tokio::sync::watch::Sender<LiveFigures>,
) -> ServerSeries {
    let start = Instant::now();
    let mut series = ServerSeries::default();
    let mut state = Previous::default();
    let mut every = sources.every.max(Duration::from_millis(100));
    while sources.metrics.is_some() || sources.pid.is_some() {
        match look(&sources, &mut state).await {
            Ok(figures) => series.add(ServerSample {
                at: start.elapsed().as_secs_f64(),
                figures,
            }),
            Err(reason) => {
                series.failed += 1;
                series.last_failure = Some(reason);
            }
        }
        if series.samples.len() >= MOST_SAMPLES {
            let mut keep = false;
            series.samples.retain(|_| {
                keep = !keep;
                keep
            });
            every *= 2;
        }
        let latest = series
            .samples
            .last()
            .map(|s| s.figures.clone())
            .unwrap_or_default();
        live.send_replace(LiveFigures {
            latest,
            highest: series.highest.clone(),
        });
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep(every) => {}
        }
    }
    series
}

/// One look at the server; empty if it gives nothing. Rates need two looks and are not in it.
pub async fn look_once(sources: &Sources) -> ServerFigures {
    look(sources, &mut Previous::default()).await.unwrap_or_default()
}

/// What rates are computed against.
#[derive(Default)]
struct Previous {
    scrape: Option<Scrape>,
    ticks: Option<(Instant, f64)>,
}

async fn look(sources: &Sources, previous: &mut Previous) -> Result<ServerFigures, String> {
    let mut figures = ServerFigures::new();
    if let (Some(request), Some(connect)) = (&sources.metrics, &sources.connect) {
        let now = scrape(request, connect).await?;
        for (name, formula) in &sources.formulas {
            figures.extend(
                formula
                    .value(&now, previous.scrape.as_ref())
                    .map(|value| (name.clone(), value)),
            );
        }
        previous.scrape = Some(now);
    }
    if let Some(pid) = sources.pid {
        read_process(pid, previous, &mut figures)?;
    }
    Ok(figures)
}

async fn scrape(request: &Request, connect: &Connect) -> Result<Scrape, String> {
    let limits = Limits {
        max_body: MAX_METRICS,
        timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let mut connection = Connection::open(request.target(), connect)
        .await
        .map_err(|e| e.to_string())?;
    let response = connection
        .send(request, &limits)
        .await
        .map_err(|e| e.to_string())?;
    if response.status != 200 {
        return Err(format!("the metrics endpoint answered {}", response.status));
    }
    let text = String::from_utf8_lossy(&response.body);
    Ok(Scrape {
        at: Instant::now(),
        text: text.into(),
    })
}

/// Reads processor time, memory, descriptors and sockets of a process from `/proc`.
fn read_process(pid: u32, previous: &mut Previous, figures: &mut ServerFigures) -> Result<(), String> {
    let gone = |error: std::io::Error| format!("process {pid} cannot be read: {error}");
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(gone)?;
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(gone)?;
    let now = Instant::now();
    // The command stands in brackets and may hold anything; user and system time are fields 12 and 13 after it.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let field = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let seconds = (field(11) + field(12)) / TICKS;
    figures.insert("server.processor_seconds".to_owned(), seconds);
    if let Some((then, before)) = previous.ticks.replace((now, seconds)) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let wall = now.saturating_duration_since(then).as_secs_f64();
        figures.insert("server.cpu".to_owned(), (seconds - before) / wall / cores);
    }
    if let Some(kib) = kib_of(&status, "VmRSS:") {
        figures.insert("server.resident_bytes".to_owned(), kib * 1024.0);
        figures.extend(total_memory().map(|total| ("server.memory".to_owned(), kib * 1024.0 / total)));
    }
    // Another user's process does not show its descriptors: then the figures are missing, which thresholds notice.
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    if let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) {
        let links: Vec<_> = entries
            .filter_map(|e| std::fs::read_link(e.ok()?.path()).ok())
            .collect();
        let sockets = links
            .iter()
            .filter(|l| l.to_string_lossy().starts_with("socket:"))
            .count();
        figures.insert("server.open_files".to_owned(), links.len() as f64);
        figures.insert("server.connections".to_owned(), sockets as f64);
    }
    Ok(())
}

fn kib_of(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Memory of this machine in bytes, if it is known.
fn total_memory() -> Option<f64> {
    // farmgate: allow(blocking-fs) because reads the process table, which is memory
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    kib_of(&text, "MemTotal:").map(|kib| kib * 1024.0)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn our_own_process_can_be_read() {
        let mut figures = ServerFigures::new();
        read_process(std::process::id(), &mut Previous::default(), &mut figures).unwrap();
        assert!(figures["server.resident_bytes"] > 100_000.0);
        assert!(figures["server.open_files"] >= 1.0);
        assert!(read_process(u32::MAX, &mut Previous::default(), &mut figures).is_err());
    }
}
