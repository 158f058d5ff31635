//! `farmgate load`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use gate::config::{Promise, Shape};
use gate::live::Live;
use gate::runs::LoadSpec;
use gate::setup::{plan, profile};
use gate::units::Span;

use super::options::{
    Common, ServerOptions, block_on, check_report_paths, finish, journeys, now, single, sources,
};

/// Loads a service by an open or closed model and checks thresholds
///
/// Without scenario files the URL itself is requested over and over.
#[derive(clap::Args, Debug)]
pub struct Load {
    /// Hurl files, or folders that hold some; none: GET the URL
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Promise such as "p95(login) < 500ms". May be repeated
    #[arg(long = "threshold", value_name = "EXPRESSION")]
    thresholds: Vec<String>,
    /// End the run as soon as a threshold does not hold
    #[arg(long)]
    abort: bool,
    /// Without scenario files: the one status that is right (else any below 400)
    #[arg(long, value_name = "CODE")]
    status: Option<u16>,
    #[command(flatten)]
    shape: ShapeOptions,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    common: Common,
}

/// The load.
#[derive(clap::Args, Debug, Clone)]
pub struct ShapeOptions {
    /// light, medium, heavy or sustained
    #[arg(long)]
    profile: Option<String>,
    /// Open model: arrivals per second
    #[arg(long)]
    rate: Option<f64>,
    /// Open model: rates, one step each
    #[arg(long, value_delimiter = ',')]
    rates: Option<Vec<f64>>,
    /// Open model: rate at the end of a ramp that starts at --rate
    #[arg(long, requires = "rate")]
    ramp_to: Option<f64>,
    /// Open model: random gaps between arrivals
    #[arg(long)]
    poisson: bool,
    /// Closed model: users
    #[arg(long)]
    users: Option<usize>,
    /// Closed model: users, one step each, such as 10,25,50,100,150
    #[arg(long, value_delimiter = ',')]
    ladder: Option<Vec<usize>>,
    /// Closed model: shortest and longest pause between journeys
    #[arg(long, value_delimiter = ',', num_args = 1..=2)]
    think: Vec<Span>,
    /// Length of the run, or of each step [default: 30s]
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<Span>,
    /// Time at the beginning that does not count [default: a tenth, at most 30s]
    #[arg(long, value_name = "DURATION")]
    warmup: Option<Span>,
    /// Open model: most journeys under way at once [default: 10000]
    #[arg(long)]
    max_in_flight: Option<usize>,
    /// Time for answers that are under way at the end [default: the time-out]
    #[arg(long, value_name = "DURATION")]
    drain: Option<Span>,
    /// Generator threads [default: one per processor]
    #[arg(long)]
    threads: Option<usize>,
}

impl ShapeOptions {
    fn shape(&self) -> anyhow::Result<Shape> {
        let think = match self.think[..] {
            [] => None,
            [pause] => Some((pause, pause)),
            [least, most] => Some((least, most)),
            _ => bail!("--think takes one pause or two"),
        };
        let own = Shape {
            rate: self.rate,
            rates: self.rates.clone(),
            ramp_to: self.ramp_to,
            users: self.users,
            ladder: self.ladder.clone(),
            duration: self.duration,
            warmup: self.warmup,
            poisson: self.poisson.then_some(true),
            think,
            max_in_flight: self.max_in_flight,
            drain: self.drain,
            threads: self.threads,
        };
        match &self.profile {
            None => Ok(own),
            Some(name) => {
                let below = profile(name).with_context(|| {
                    format!("there is no profile `{name}`: known are light, medium, heavy and sustained")
                })?;
                Ok(own.over(&below))
            }
        }
    }
}

impl Load {
    pub fn run(self) -> anyhow::Result<u8> {
        check_report_paths(&self.common.output.report)?;
        let given = self.common.given()?;
        let promises = self.promises()?;
        let senders = match self.files.is_empty() {
            true => single(&self.common.url, &given, self.status)?,
            false => journeys(&self.files, &[], &given)?,
        };
        let spec = LoadSpec {
            name: "load".to_owned(),
            plan: plan(
                &self.shape.shape()?,
                senders.weights(),
                self.common.seed,
                self.common.timeout.0,
            )?,
            promises,
            sources: sources(&self.server.config(), &given)?,
        };
        let started = now();
        let stage =
            block_on(async |cancel| Ok(gate::runs::load(spec, senders, cancel, &mut Live::stderr()).await?))?;
        finish(
            "load",
            &self.common.url,
            self.common.seed,
            started,
            vec![stage],
            &self.common.output,
        )
    }

    fn promises(&self) -> anyhow::Result<Vec<Promise>> {
        let after = Span(std::time::Duration::from_secs(5));
        let promise = |text: &String| {
            let threshold = text.parse()?;
            Ok(Promise {
                threshold,
                abort_after: self.abort.then_some(after),
            })
        };
        self.thresholds.iter().map(promise).collect()
    }
}
