//! `farmgate isolate`: does anyone ever get what is somebody else's?

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use isolation::{Config, Options, Progress, Report, Rule};
use tokio_util::sync::CancellationToken;

use super::options::{block_on, environment, salt};

/// Tests whether anyone ever gets what is somebody else's
///
/// Exit 0: isolated; 1: breached; 2: inconclusive; 3: the run could not be done, or its self-test failed.
#[derive(clap::Args, Debug)]
pub struct Isolate {
    /// Files that describe the service: an isolation file (.toml), or a gate.toml with a table `[isolation]`, and scenarios (.hurl)
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Base URL of the service under test; wins over the file's
    #[arg(long)]
    url: Option<String>,
    /// OpenAPI document (a file, a URL, or a path on the service) that tells what the file does not
    #[arg(long)]
    openapi: Option<String>,
    /// Seed of all choices; names and canaries differ in every run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Do only this finding again
    #[arg(long, value_name = "FINDING-ID")]
    replay: Option<String>,
    /// Do only the checks that find this rule broken; may be repeated
    #[arg(long = "rule", value_name = "RULE", value_parser = rule)]
    rules: Vec<Rule>,
    /// Times each check is done; more finds rarer leaks
    #[arg(long)]
    rounds: Option<usize>,
    /// Leave the self-test out; the report says so
    #[arg(long)]
    no_self_test: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print a commented example of an isolation file, and end
    #[arg(long)]
    print_example: bool,
}

fn rule(id: &str) -> Result<Rule, String> {
    let found = Rule::ALL.iter().find(|rule| rule.id() == id);
    found.copied().ok_or_else(|| {
        format!(
            "there is no such rule; docs/isolation.md lists them all, such as `{}`",
            Rule::ALL[0]
        )
    })
}

/// Progress goes to stderr, results to stdout.
pub(super) struct Stderr;

impl Progress for Stderr {
    fn say(&mut self, line: &str) {
        // A closed stderr is no reason to stop.
        let _closed = writeln!(std::io::stderr(), "{line}");
    }
}

impl Isolate {
    /// Does the run and returns its exit code.
    ///
    /// # Errors
    /// When there is no verdict: exit 3.
    pub fn run(self, out: &mut impl Write) -> anyhow::Result<u8> {
        if self.print_example {
            out.write_all(isolation::EXAMPLE.as_bytes())?;
            return Ok(0);
        }
        let config = self.config()?;
        if let Some(path) = &self.report {
            gate::report::check_writable(path)?;
        }
        let report = block_on(async |stop| {
            let options = self.options(stop);
            Ok(isolation::isolate(config, &options, &mut Stderr).await?)
        })?;
        self.publish(&report, out)?;
        Ok(report.verdict.exit_code())
    }

    fn options(&self, stop: CancellationToken) -> Options {
        Options {
            seed: self.seed,
            salt: salt(),
            replay: self.replay.clone(),
            only: self.rules.clone(),
            self_test: !self.no_self_test,
            command: self.command(),
            stop,
        }
    }

    fn publish(&self, report: &Report, out: &mut impl Write) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(report)?;
        let text = if self.json { json.clone() } else { report.text() };
        writeln!(out, "{}", text.trim_end())?;
        // Last, so that a file that cannot be written loses no verdict.
        if let Some(path) = &self.report {
            std::fs::write(path, &json).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn config(&self) -> anyhow::Result<Config> {
        let (scenarios, described): (Vec<_>, Vec<_>) = self
            .files
            .iter()
            .cloned()
            .partition(|file| file.extension().is_some_and(|end| end == "hurl"));
        let mut config = match described.as_slice() {
            [file] => Config::load(file)?,
            [_, more, ..] => anyhow::bail!(
                "{}: one isolation file is enough; the others must be .hurl",
                more.display()
            ),
            [] if self.openapi.is_some() || !scenarios.is_empty() => Config::default(),
            [] => {
                anyhow::bail!("give an isolation file, a scenario, or --openapi; --print-example shows one")
            }
        };
        config.fill_secrets(|name| environment(name).ok());
        config.target.scenarios.extend(scenarios);
        config.target.url = self.url.clone().or(config.target.url);
        config.target.openapi = self.openapi.clone().or(config.target.openapi);
        config.effort.rounds = self.rounds.unwrap_or(config.effort.rounds);
        Ok(config)
    }

    /// The command that does this run again, up to what is replayed.
    fn command(&self) -> String {
        let mut words = vec!["farmgate isolate".to_owned()];
        words.extend(self.files.iter().map(|file| file.display().to_string()));
        words.extend(self.url.as_ref().map(|url| format!("--url {url}")));
        words.extend(
            self.openapi
                .as_ref()
                .map(|openapi| format!("--openapi {openapi}")),
        );
        words.join(" ")
    }
}
