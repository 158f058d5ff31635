//! Options that the gate's commands share, and the one place where they meet clock, environment, signals and runtime.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use futures_util::future::LocalBoxFuture;
use gate::config::{HttpConfig, JourneyConfig, ServerConfig};
use gate::load::{JourneyCrew, SingleCrew};
use gate::report::{Environment, Format, Report, StageResult};
use gate::runs::Senders;
use gate::server::{Sources, default_formulas};
use gate::setup::{Given, find_scenarios, journey};
use gate::units::Span;
use tokio_util::sync::CancellationToken;

/// Options of every command that sends requests.
#[derive(clap::Args, Debug, Clone)]
pub struct Common {
    /// Base URL of the service under test; scenarios see it as {{url}}
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Variable for the scenarios. May be repeated
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Variable taken from the environment and redacted everywhere. May be repeated
    #[arg(long = "secret", value_name = "NAME=ENVIRONMENT_NAME")]
    pub secrets: Vec<String>,
    /// Folder of the files that scenarios send [default: the folder of each scenario]
    #[arg(long, value_name = "FOLDER")]
    pub file_root: Option<PathBuf>,
    /// Header added to every request; its value is kept out of reports. May be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Longest time one exchange may take
    #[arg(long, default_value = "30s")]
    pub timeout: Span,
    /// Accept any TLS certificate
    #[arg(long)]
    pub insecure: bool,
    /// PEM file with the roots to trust instead of the bundled ones
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Speak HTTP/2
    #[arg(long)]
    pub http2: bool,
    /// Open a new connection for every request
    #[arg(long)]
    pub no_keep_alive: bool,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub output: Output,
}

/// Where results go.
#[derive(clap::Args, Debug, Clone)]
pub struct Output {
    /// Write a report; its form follows the ending (.html, .json, .xml, .sarif, .md). May be repeated
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// Print the whole report as JSON instead of the summary
    #[arg(long)]
    pub json: bool,
}

/// Where figures of the server come from.
#[derive(clap::Args, Debug, Clone)]
pub struct ServerOptions {
    /// Prometheus text endpoint of the service, for server.* figures
    #[arg(long, value_name = "URL")]
    pub metrics_url: Option<String>,
    /// Process of the service on this machine, for server.* figures
    #[arg(long)]
    pub pid: Option<u32>,
}

impl Common {
    /// What scenarios and requests are given.
    pub fn given(&self) -> anyhow::Result<Given> {
        let mut secrets = BTreeMap::new();
        for pair in &self.secrets {
            let (name, env) = split(pair, '=', "--secret")?;
            secrets.insert(name, environment(&env)?);
        }
        let pairs = |list: &[String], sign, option| -> anyhow::Result<BTreeMap<String, String>> {
            list.iter().map(|pair| split(pair, sign, option)).collect()
        };
        Ok(Given {
            url: self.url.clone(),
            variables: pairs(&self.variables, '=', "--variable")?,
            secrets,
            file_root: self.file_root.clone(),
            http: HttpConfig {
                timeout: Some(self.timeout),
                insecure: self.insecure,
                ca_file: self.ca_file.clone(),
                http2: self.http2,
                keep_alive: Some(!self.no_keep_alive),
                headers: pairs(&self.headers, ':', "--header")?,
                ..HttpConfig::default()
            },
        })
    }
}

impl ServerOptions {
    /// The same as a section of `gate.toml`.
    pub fn config(&self) -> ServerConfig {
        ServerConfig {
            metrics_url: self.metrics_url.clone(),
            pid: self.pid,
            ..ServerConfig::default()
        }
    }
}

fn split(pair: &str, sign: char, option: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = pair
        .split_once(sign)
        .with_context(|| format!("{option} needs NAME{sign}VALUE"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The value of an environment variable that must be set.
#[allow(
    clippy::disallowed_methods,
    reason = "the gate's commands read the environment here and nowhere else"
)]
pub fn environment(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("the environment variable {name} is not set"))
}

/// A number that no other run has.
#[allow(
    clippy::disallowed_methods,
    reason = "the gate's commands take what no seed decides here and nowhere else"
)]
pub fn salt() -> u64 {
    rand::random()
}

/// The wall clock, RFC 3339.
#[allow(
    clippy::disallowed_methods,
    reason = "the gate's commands read the clock here and nowhere else"
)]
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Sources of server figures from their settings.
pub fn sources(config: &ServerConfig, given: &Given) -> anyhow::Result<Sources> {
    let cores = config
        .cores
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut formulas = default_formulas(cores);
    for (name, text) in &config.figures {
        let formula = text
            .get_ref()
            .parse()
            .map_err(|error| anyhow::anyhow!("figure `{name}`: {error}"))?;
        formulas.insert(name.clone(), formula);
    }
    Ok(Sources {
        metrics: config
            .metrics_url
            .as_deref()
            .map(|url| given.get(url))
            .transpose()?,
        connect: config
            .metrics_url
            .is_some()
            .then(|| given.connect())
            .transpose()?,
        formulas,
        pid: config.pid,
        every: config.every.map_or(std::time::Duration::from_secs(1), |s| s.0),
    })
}

/// The senders of scenario files.
pub fn journeys(files: &[PathBuf], listed: &[JourneyConfig], given: &Given) -> anyhow::Result<Senders> {
    let mut configs = listed.to_vec();
    if !files.is_empty() {
        configs.extend(find_scenarios(files)?.into_iter().map(|file| JourneyConfig {
            file,
            name: None,
            weight: None,
            data: None,
            new_visitor: false,
        }));
    }
    if configs.is_empty() {
        bail!("no scenario is named: give .hurl files or a folder that holds some");
    }
    let journeys = configs.iter().map(journey).collect::<Result<Vec<_>, _>>()?;
    let mut settings = given.settings()?;
    settings.explain_passed = false;
    Ok(Senders::Journeys(JourneyCrew::new(journeys, settings)))
}

/// The sender of one URL.
pub fn single(target: &str, given: &Given, status: Option<u16>) -> anyhow::Result<Senders> {
    Ok(Senders::Single(SingleCrew::new(given.single(target, status)?)))
}

/// Signals that come closer together than this count as one.
const ONE_WISH: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs a command's work; the first Ctrl-C asks it to end with a report, the second ends the process.
pub fn block_on<T>(work: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let cancel = CancellationToken::new();
    let told = cancel.clone();
    runtime.spawn(async move {
        let mut first = None;
        while tokio::signal::ctrl_c().await.is_ok() {
            let now = tokio::time::Instant::now();
            match first {
                None => {
                    eprintln!("stopping; a report follows (again to stop at once)");
                    told.cancel();
                    first = Some(now);
                }
                // Shells and `timeout` may send the same signal to a process and to its group: that is one wish.
                Some(first) if now.duration_since(first) < ONE_WISH => {}
                Some(_) => std::process::exit(super::TOOL_ERROR.into()),
            }
        }
    });
    // Boxed, so that the runtime is compiled once and not for each command.
    let work: LocalBoxFuture<'_, _> = Box::pin(work(cancel));
    runtime.block_on(work)
}

/// Refuses reports of unknown form, or that cannot be written, before anything is run.
pub fn check_report_paths(paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        gate::report::check_path(path)?;
    }
    Ok(())
}

/// Seals the report, writes its files, prints it, and returns the exit code.
pub fn finish(
    name: &str,
    target: &str,
    seed: u64,
    started: String,
    stages: Vec<StageResult>,
    output: &Output,
) -> anyhow::Result<u8> {
    let environment = Environment::here(command_line());
    let report = Report::new(name, target, seed, environment, stages).seal(started, now());
    publish(&report, output)?;
    Ok(report.verdict.exit_code())
}

/// Prints and writes a sealed report: what was found is told even if a file cannot be written any more.
pub fn publish(report: &Report, output: &Output) -> anyhow::Result<()> {
    if output.json {
        print!("{}", gate::report::render(report, Format::Json)?);
    } else {
        print!("{}", gate::report::summary(report));
    }
    let written: Vec<_> = output
        .report
        .iter()
        .map(|path| gate::report::write(report, path))
        .collect();
    Ok(written.into_iter().collect::<Result<(), _>>()?)
}

/// The arguments of this process, with what follows `--header` left out: it may be a credential.
fn command_line() -> Vec<String> {
    let mut hide = false;
    std::env::args()
        .map(|argument| {
            let shown = match (hide, argument.split_once('=')) {
                (true, _) => "***".to_owned(),
                (false, Some(("--header" | "--variable", _))) => "***".to_owned(),
                _ => argument.clone(),
            };
            hide = argument == "--header" || argument == "--variable";
            shown
        })
        .collect()
}
