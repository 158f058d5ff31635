//! `gate.toml`: everything a gate run is told that a scenario file has no place for. Mistakes are shown with file, line,
//! column and a hint. What the settings mean for a run is decided in `setup`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::server::Formula;
use crate::threshold::Threshold;
use crate::units::Span;

/// The whole file. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// Name of the release or service, shown in the report.
    pub name: Option<String>,
    /// Base URL of the service; scenarios see it as `{{url}}`.
    pub url: Option<String>,
    /// Seed of every random choice. Default: 1.
    pub seed: Option<u64>,
    /// Variables of all scenarios.
    #[serde(default)]
    pub variables: BTreeMap<String, toml::Value>,
    /// Variables taken from the environment and redacted everywhere: variable name to environment name.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// How requests are sent.
    #[serde(default)]
    pub http: HttpConfig,
    /// Where figures of the server come from.
    pub server: Option<ServerConfig>,
    /// Static check of Rust source.
    pub check: Option<CheckConfig>,
    /// Each scenario once.
    pub smoke: Option<SmokeConfig>,
    /// Load.
    pub load: Option<LoadConfig>,
    /// Named loads; `light`, `medium`, `heavy` and `sustained` exist and may be changed here.
    #[serde(default)]
    pub profiles: BTreeMap<String, Shape>,
    /// Isolation test.
    pub isolation: Option<IsolationConfig>,
    /// Comparison with the release that runs today.
    pub compare: Option<CompareConfig>,
    /// Files to write.
    #[serde(default)]
    pub report: Vec<PathBuf>,
}

/// `[http]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Longest time one exchange may take. Default: 30s.
    pub timeout: Option<Span>,
    /// Longest time to open a connection. Default: 10s.
    pub connect_timeout: Option<Span>,
    /// Accept any certificate. Default: false.
    pub insecure: bool,
    /// PEM file with the roots to trust instead of the bundled ones.
    pub ca_file: Option<PathBuf>,
    /// Speak HTTP/2: over TLS by agreement, over plain text at once. Default: false.
    pub http2: bool,
    /// Use a connection for more than one request. Default: true.
    pub keep_alive: Option<bool>,
    /// Headers added to every request.
    pub headers: BTreeMap<String, String>,
}

/// `[server]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// A Prometheus text endpoint of the service.
    pub metrics_url: Option<String>,
    /// A process on this machine.
    pub pid: Option<u32>,
    /// How often they are looked at. Default: 1s.
    pub every: Option<Span>,
    /// Processors of the server's machine, for `server.cpu`. Default: those of this machine.
    pub cores: Option<usize>,
    /// Figures for thresholds: dotted name to formula, such as `"db.connections" = "pool_in_use / pool_size"`.
    pub figures: BTreeMap<String, Spanned<String>>,
}

/// `[check]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckConfig {
    /// Folder with the source.
    pub path: PathBuf,
}

/// `[smoke]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmokeConfig {
    /// Scenario files, or folders of them.
    pub files: Vec<PathBuf>,
    /// Files run at the same time. Default: 1.
    pub jobs: Option<usize>,
}

/// `[isolation]`: either the name of an isolation file, or its contents.
#[derive(Debug, Deserialize)]
pub struct IsolationConfig {
    /// The isolation file.
    pub file: Option<PathBuf>,
    /// Everything else, which is the isolation test's to read; it knows its own keys.
    #[serde(flatten)]
    pub table: toml::Table,
}

/// `[compare]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompareConfig {
    /// URL of the release that runs today.
    pub base: String,
    /// Where figures of that release's server come from, as `[server]` says it of the candidate's; with both, processor
    /// time and memory are compared too.
    pub server: Option<ServerConfig>,
    /// Requests per second to each side. Default: 200.
    pub rate: Option<f64>,
    /// Length of one slice. Default: 2s.
    pub slice: Option<Span>,
    /// Rounds of three slices: baseline, candidate, baseline again. Default: 20.
    pub rounds: Option<usize>,
    /// Change that matters. Default: 0.05.
    pub tolerance: Option<f64>,
    /// Change of the error rate that matters. Default: 0.0005.
    pub error_tolerance: Option<f64>,
}

/// `[load]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadConfig {
    /// Scenario files, or folders of them, with their own `# @weight` comments.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Scenario files with settings.
    #[serde(default)]
    pub scenario: Vec<JourneyConfig>,
    /// One plain URL instead of scenarios; a path is added to the base URL.
    pub get: Option<String>,
    /// Name of the profile to start from.
    pub profile: Option<Spanned<String>>,
    /// Promises.
    #[serde(default)]
    pub thresholds: Vec<Spanned<ThresholdConfig>>,
    /// The load itself; overrides the profile.
    #[serde(default)]
    pub shape: Shape,
}

/// One entry of `load.scenario`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JourneyConfig {
    /// The Hurl file.
    pub file: PathBuf,
    /// Name in reports. Default: the file's.
    pub name: Option<String>,
    /// How often it is chosen. Default: 1.
    pub weight: Option<f64>,
    /// CSV or JSON file; each turn takes the next row as variables.
    pub data: Option<PathBuf>,
    /// Forget cookies and connections before each turn. Default: false.
    #[serde(default)]
    pub new_visitor: bool,
}

/// A load, in a profile or in `[load.shape]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    /// Open model: arrivals per second.
    pub rate: Option<f64>,
    /// Open model: rates, one step each.
    pub rates: Option<Vec<f64>>,
    /// Open model: rate at the end of a ramp that starts at `rate`.
    pub ramp_to: Option<f64>,
    /// Closed model: users.
    pub users: Option<usize>,
    /// Closed model: users, one step each, such as `[10, 25, 50, 100, 150]`.
    pub ladder: Option<Vec<usize>>,
    /// Length of the run, or of each step. Default: 30s.
    pub duration: Option<Span>,
    /// Time at the beginning that does not count. Default: a tenth of the run, at most 30s.
    pub warmup: Option<Span>,
    /// Random gaps between arrivals. Default: false.
    pub poisson: Option<bool>,
    /// Closed model: shortest and longest pause between journeys.
    pub think: Option<(Span, Span)>,
    /// Open model: most journeys under way at once. Default: 10000.
    pub max_in_flight: Option<usize>,
    /// Time for answers that are under way at the end. Default: the time-out of an exchange.
    pub drain: Option<Span>,
    /// Generator threads. Default: one per processor.
    pub threads: Option<usize>,
}

impl Shape {
    /// What is set here, and what `below` sets for the rest. A load set here replaces the whole load below.
    pub fn over(self, below: &Self) -> Self {
        let names_load =
            |s: &Self| s.rate.is_some() || s.rates.is_some() || s.users.is_some() || s.ladder.is_some();
        let load = if names_load(&self) { &self } else { below };
        Self {
            rate: load.rate,
            rates: load.rates.clone(),
            ramp_to: load.ramp_to,
            users: load.users,
            ladder: load.ladder.clone(),
            duration: self.duration.or(below.duration),
            warmup: self.warmup.or(below.warmup),
            poisson: self.poisson.or(below.poisson),
            think: self.think.or(below.think),
            max_in_flight: self.max_in_flight.or(below.max_in_flight),
            drain: self.drain.or(below.drain),
            threads: self.threads.or(below.threads),
        }
    }
}

/// A threshold, alone or with early abort.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ThresholdConfig {
    /// The expression.
    Plain(String),
    /// The expression, and whether the run ends as soon as it does not hold.
    Table(AbortingThreshold),
}

/// A threshold as a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortingThreshold {
    /// The expression.
    pub expression: String,
    /// End the run as soon as it does not hold.
    pub abort: bool,
    /// But not before this time. Default: 5s.
    pub after: Option<Span>,
}

/// What is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadConfig {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    source: String,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let margin = " ".repeat(self.line.to_string().len());
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        writeln!(f, "{} | {}", self.line, self.source)?;
        write!(f, "{margin} | {}^ {}", " ".repeat(self.column - 1), self.hint)
    }
}

impl std::error::Error for BadConfig {}

/// A configuration file with the text its positions refer to.
pub struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    /// The file and its text.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    /// An error at a byte position.
    pub fn error(&self, at: usize, message: impl Into<String>, hint: impl Into<String>) -> BadConfig {
        let at = at.min(self.text.len());
        let begin = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[..at].matches('\n').count() + 1;
        BadConfig {
            file: self.file.to_owned(),
            line,
            column: self.text[begin..at].chars().count() + 1,
            message: message.into(),
            hint: hint.into(),
            source: self.text[begin..]
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect(),
        }
    }

    /// Reads the file, and checks every expression in it.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(&self) -> Result<GateConfig, BadConfig> {
        let config: GateConfig = toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let unknown = error.message().contains("unknown field");
            let hint = if unknown {
                "remove it, or see docs/gate.md for the keys"
            } else {
                "see docs/gate.md"
            };
            self.error(at, error.message(), hint)
        })?;
        if let Some(load) = &config.load {
            self.thresholds(load)?;
        }
        let of_base = config
            .compare
            .as_ref()
            .and_then(|compare| compare.server.as_ref());
        for server in config.server.iter().chain(of_base) {
            self.figures(server)?;
        }
        Ok(config)
    }

    /// The thresholds of a load, each with its time of early abort.
    pub fn thresholds(&self, load: &LoadConfig) -> Result<Vec<Promise>, BadConfig> {
        load.thresholds.iter().map(|entry| self.promise(entry)).collect()
    }

    fn figures(&self, server: &ServerConfig) -> Result<(), BadConfig> {
        for (name, text) in &server.figures {
            text.get_ref().parse::<Formula>().map_err(|why| {
                let hint =
                    "a formula is `name`, `name{label=\"value\"}`, `rate(name)` or one of them / another";
                self.error(text.span().start + 1, format!("figure `{name}`: {why}"), hint)
            })?;
        }
        Ok(())
    }

    fn promise(&self, entry: &Spanned<ThresholdConfig>) -> Result<Promise, BadConfig> {
        let (expression, abort_after) = match entry.get_ref() {
            ThresholdConfig::Plain(expression) => (expression, None),
            ThresholdConfig::Table(table) => {
                let after = table.after.unwrap_or(Span(std::time::Duration::from_secs(5)));
                (&table.expression, table.abort.then_some(after))
            }
        };
        let threshold = expression.parse::<Threshold>().map_err(|error| {
            let inside = self.text[entry.span().start..]
                .find(expression.as_str())
                .unwrap_or(0);
            self.error(
                entry.span().start + inside + error.column - 1,
                error.message,
                error.hint,
            )
        })?;
        Ok(Promise {
            threshold,
            abort_after,
        })
    }
}

/// A threshold and whether it ends the run.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The threshold.
    pub threshold: Threshold,
    /// End the run when it does not hold, from this time on.
    pub abort_after: Option<Span>,
}

/// The path, taken from the folder of the configuration file if it is relative.
pub fn beside(config: &Path, path: &Path) -> PathBuf {
    config
        .parent()
        .map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> BadConfig {
        Source::new("gate.toml", text).read().unwrap_err()
    }

    #[test]
    fn an_unknown_key_is_shown_with_its_place() {
        let bad = error("url = \"http://x\"\n[load]\nspeed = 5\n");
        assert_eq!((bad.line, bad.column), (3, 1));
        assert!(bad.message.contains("speed"), "{bad}");
    }

    #[test]
    fn a_bad_threshold_is_shown_where_it_stands() {
        let bad = error("[load]\nthresholds = [\"p95 < 1s\", \"p95 < 500\"]\n");
        assert_eq!((bad.line, bad.column), (2, 34), "{bad}");
        assert!(bad.to_string().contains("500ms"), "{bad}");
    }

    #[test]
    fn a_load_replaces_the_load_of_its_profile_but_keeps_its_length() {
        let profile = Shape {
            rate: Some(50.0),
            duration: Some("30s".parse().unwrap()),
            ..Shape::default()
        };
        let shape = Shape {
            users: Some(5),
            ..Shape::default()
        }
        .over(&profile);
        assert_eq!(
            (shape.rate, shape.users, shape.duration),
            (None, Some(5), profile.duration)
        );
    }
}
