//! `farmgate compare`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gate::compare::{ComparePlan, Rules, rounds_of};
use gate::live::Live;
use gate::report::{Detail, LoadReport, Report};
use gate::units::Span;

use super::options::{
    Common, ServerOptions, block_on, check_report_paths, finish, journeys, now, single, sources,
};

/// Compares the release that runs today with a candidate, interleaved
///
/// Give two URLs, or two report.json files of load runs (which were not interleaved, and say less).
#[derive(clap::Args, Debug)]
pub struct Compare {
    /// URL, or recorded report, of the release that runs today
    base: String,
    /// URL, or recorded report, of the candidate (the same as --url)
    candidate: String,
    /// Hurl files, or folders that hold some; none: GET the URLs
    #[arg(long = "scenario", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Arrivals per second in each slice
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Length of a slice
    #[arg(long, default_value = "2s", value_name = "DURATION")]
    slice: Span,
    /// Rounds of three slices
    #[arg(long, default_value_t = 40)]
    rounds: usize,
    /// Relative change that matters
    #[arg(long, default_value_t = 0.05)]
    tolerance: f64,
    /// Change of the error rate that matters
    #[arg(long, default_value_t = 0.0005)]
    error_tolerance: f64,
    /// Metrics endpoint or process of the baseline, for processor time and memory
    #[arg(long, value_name = "URL")]
    base_metrics_url: Option<String>,
    /// Process of the baseline on this machine
    #[arg(long)]
    base_pid: Option<u32>,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    common: CompareCommon,
}

/// The shared options, with the URL taken from the candidate.
#[derive(clap::Args, Debug)]
struct CompareCommon {
    /// Longest time one exchange may take
    #[arg(long, default_value = "30s")]
    timeout: Span,
    /// Accept any TLS certificate
    #[arg(long)]
    insecure: bool,
    /// Variable for the scenarios. May be repeated
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Variable taken from the environment and redacted everywhere. May be repeated
    #[arg(long = "secret", value_name = "NAME=ENVIRONMENT_NAME")]
    secrets: Vec<String>,
    /// Folder of the files that scenarios send [default: the folder of each scenario]
    #[arg(long, value_name = "FOLDER")]
    file_root: Option<PathBuf>,
    /// Seed of the order of slices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    output: super::options::Output,
}

impl Compare {
    pub fn run(self) -> anyhow::Result<u8> {
        check_report_paths(&self.common.output.report)?;
        let started = now();
        let rules = Rules {
            tolerance: self.tolerance,
            error_tolerance: self.error_tolerance,
            ..Rules::default()
        };
        let recorded = [&self.base, &self.candidate].map(|side| side.ends_with(".json"));
        let stage = match recorded {
            [true, true] => self.recorded(rules)?,
            [false, false] => self.live(rules)?,
            _ => bail!("compare two URLs or two recorded reports, not one of each"),
        };
        let (seed, output) = (self.common.seed, &self.common.output);
        finish("compare", &self.candidate, seed, started, vec![stage], output)
    }

    fn recorded(&self, rules: Rules) -> anyhow::Result<gate::report::StageResult> {
        let (base, candidate) = (recorded_load(&self.base)?, recorded_load(&self.candidate)?);
        let rounds = rounds_of(&base, &candidate);
        let plan =
            "recorded runs, not interleaved: what the machine did between them is part of the difference";
        let names = (self.base.as_str(), self.candidate.as_str());
        let stage = gate::runs::compared(&rounds, &rules, names, plan.to_owned(), 0.0);
        let unasserted = [base.unasserted, candidate.unasserted].concat();
        Ok(gate::runs::without_proof(stage, &unasserted))
    }

    fn live(&self, rules: Rules) -> anyhow::Result<gate::report::StageResult> {
        let base_server = ServerOptions {
            metrics_url: self.base_metrics_url.clone(),
            pid: self.base_pid,
        };
        let base = self.side(&self.base, &base_server)?;
        let candidate = self.side(&self.candidate, &self.server)?;
        if !(self.rate > 0.0 && self.rate < 1e6) || self.slice.0.is_zero() {
            bail!("--rate and --slice must be more than nothing");
        }
        let plan = ComparePlan {
            rate: self.rate,
            slice: self.slice.0,
            rounds: self.rounds,
            rules,
            seed: self.common.seed,
            drain: self.common.timeout.0,
            weights: base.0.weights(),
        };
        block_on(async |cancel| {
            let names = (self.base.as_str(), self.candidate.as_str());
            Ok(gate::runs::compare(&plan, names, base, candidate, cancel, &mut Live::stderr()).await?)
        })
    }

    fn side(
        &self,
        url: &str,
        server: &ServerOptions,
    ) -> anyhow::Result<(gate::runs::Senders, gate::server::Sources)> {
        let common = Common {
            url: url.to_owned(),
            variables: self.common.variables.clone(),
            secrets: self.common.secrets.clone(),
            file_root: self.common.file_root.clone(),
            headers: Vec::new(),
            timeout: self.common.timeout,
            insecure: self.common.insecure,
            ca_file: None,
            http2: false,
            no_keep_alive: false,
            seed: self.common.seed,
            output: self.common.output.clone(),
        };
        let given = common.given()?;
        let senders = match self.files.is_empty() {
            true => single(url, &given, None)?,
            false => journeys(&self.files, &[], &given)?,
        };
        Ok((senders, sources(&server.config(), &given)?))
    }
}

fn recorded_load(path: &str) -> anyhow::Result<LoadReport> {
    let report = read_report(Path::new(path))?;
    let load = report.stages.into_iter().find_map(|stage| match stage.detail {
        Detail::Load(load) => Some(*load),
        _ => None,
    });
    load.with_context(|| format!("{path} holds no load run"))
}

/// Reads a report and checks that nobody changed it.
pub fn read_report(path: &Path) -> anyhow::Result<Report> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let report = Report::from_json(&text).with_context(|| format!("{} is no report", path.display()))?;
    if !report.is_intact() {
        bail!(
            "{} was changed after it was written: its evidence hash does not fit",
            path.display()
        );
    }
    Ok(report)
}
