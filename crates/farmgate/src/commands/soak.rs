//! `farmgate soak`

use std::path::PathBuf;

use anyhow::bail;
use gate::live::Live;
use gate::load::Think;
use gate::soak::SoakPlan;
use gate::units::Span;

use super::options::{
    Common, ServerOptions, block_on, check_report_paths, finish, journeys, now, single, sources,
};

/// Loads a service lightly for hours or days, with load steps on schedule, and judges drift
///
/// A run that was interrupted goes on from its state file when the same command is given again.
#[derive(clap::Args, Debug)]
pub struct Soak {
    /// Hurl files, or folders that hold some; none: GET the URL
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Whole length
    #[arg(long = "for", value_name = "DURATION", default_value = "24h")]
    length: Span,
    /// Time from one load step to the next
    #[arg(long, value_name = "DURATION", default_value = "6h")]
    every: Span,
    /// Users of the load steps
    #[arg(long, value_delimiter = ',', default_value = "10,25,50,100,150")]
    ladder: Vec<usize>,
    /// Length of each step
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    step: Span,
    /// Users between the steps
    #[arg(long, default_value_t = 5)]
    users: usize,
    /// Pause between journeys
    #[arg(long, value_name = "DURATION", default_value = "500ms")]
    think: Span,
    /// Time between samples
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    sample: Span,
    /// Carry the plan out this many times faster; the report says so
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Largest growth of memory over the run
    #[arg(long, default_value_t = 0.05)]
    memory_limit: f64,
    /// Largest growth of the median latency over the run
    #[arg(long, default_value_t = 0.2)]
    latency_limit: f64,
    /// Promise such as "error_rate < 0.1%". May be repeated
    #[arg(long = "threshold", value_name = "EXPRESSION")]
    thresholds: Vec<String>,
    /// State file
    #[arg(long, default_value = "farmgate-soak.json")]
    state: PathBuf,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    common: Common,
}

impl Soak {
    pub fn run(self) -> anyhow::Result<u8> {
        check_report_paths(&self.common.output.report)?;
        let given = self.common.given()?;
        let senders = match self.files.is_empty() {
            true => single(&self.common.url, &given, None)?,
            false => journeys(&self.files, &[], &given)?,
        };
        let plan = self.plan(senders.weights())?;
        let thresholds = self
            .thresholds
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<_>, _>>()?;
        let sources = sources(&self.server.config(), &given)?;
        let started = now();
        let stage = block_on(async |cancel| {
            let target = gate::runs::SoakTarget {
                url: &self.common.url,
                state: &self.state,
                thresholds,
                sources,
            };
            Ok(gate::runs::soak(plan, target, senders, cancel, &mut Live::stderr()).await?)
        })?;
        finish(
            "soak",
            &self.common.url,
            self.common.seed,
            started,
            vec![stage],
            &self.common.output,
        )
    }

    fn plan(&self, weights: Vec<f64>) -> anyhow::Result<SoakPlan> {
        let finite = self.speed.is_finite() && self.speed >= 1.0;
        if !finite
            || self.users == 0
            || [self.length, self.every, self.step, self.sample]
                .iter()
                .any(|s| s.0.is_zero())
        {
            bail!("lengths, users and samples must be more than nothing, and --speed at least 1");
        }
        Ok(SoakPlan {
            length: self.length.0,
            every: self.every.0,
            ladder: self.ladder.clone(),
            step: self.step.0,
            light_users: self.users,
            think: Think {
                least: self.think.0,
                most: self.think.0,
            },
            sample: self.sample.0,
            speed: self.speed,
            seed: self.common.seed,
            weights,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            drain: self.common.timeout.0,
            memory_limit: self.memory_limit,
            latency_limit: self.latency_limit,
        })
    }
}
