//! `farmgate gate`: all stages of a gate.toml, one verdict, one report.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use gate::compare::{ComparePlan, Rules};
use gate::config::{
    BadConfig, CompareConfig, GateConfig, IsolationConfig, JourneyConfig, LoadConfig, Shape, Source, beside,
};
use gate::live::Live;
use gate::report::StageResult;
use gate::runs::{LoadSpec, Senders};
use gate::server::Sources;
use gate::setup::{Given, plan, profile};
use gate::smoke::SmokeFile;
use gate::stage::{Stage, run_all};
use tokio_util::sync::CancellationToken;

use super::init::Init;
use super::joined::{CheckStage, IsolationStage};
use super::options::{
    Output, block_on, check_report_paths, environment, finish, journeys, now, salt, single, sources,
};

/// Runs every stage of a gate.toml and gives one verdict: may this release go out?
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Gate {
    #[command(subcommand)]
    action: Option<Action>,
    /// The configuration
    #[arg(default_value = "gate.toml")]
    config: PathBuf,
    /// Base URL, instead of the one in the file
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand, Debug)]
enum Action {
    Init(Init),
}

impl Gate {
    pub fn run(self) -> anyhow::Result<u8> {
        if let Some(Action::Init(init)) = self.action {
            return init.run();
        }
        let path = self.config.display().to_string();
        let text = match self.config.exists() {
            true => gate::files::read_text(&self.config)?,
            false => bail!("{path}: no such file; `farmgate gate init openapi.json` writes a first one"),
        };
        let source = Source::new(&path, &text);
        let mut config = source.read()?;
        let url = self
            .url
            .clone()
            .or(config.url.take())
            .context("no `url`: put it in the file or give --url")?;
        let mut output = self.output.clone();
        output
            .report
            .extend(config.report.iter().map(|file| beside(&self.config, file)));
        check_report_paths(&output.report)?;
        let given = given(&config, &self.config, &url)?;
        let (name, seed) = (
            config.name.clone().unwrap_or_else(|| "gate".to_owned()),
            config.seed.unwrap_or(1),
        );
        let started = now();
        let stages = block_on(async |cancel| {
            let setup = Setup {
                source: &source,
                config: &config,
                path: &self.config,
                given: &given,
                seed,
            };
            let mut stages = setup.stages(&cancel)?;
            let mut live = Live::stderr();
            Ok(run_all(&mut stages, |name| live.say(&format!("stage {name}"))).await)
        })?;
        finish(&name, &url, seed, started, stages, &output)
    }
}

fn given(config: &GateConfig, path: &Path, url: &str) -> anyhow::Result<Given> {
    let text_of = |value: &toml::Value| match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut http = config.http.clone();
    http.ca_file = http.ca_file.map(|file| beside(path, &file));
    let mut given = Given {
        url: url.to_owned(),
        http,
        ..Given::default()
    };
    given.variables = config
        .variables
        .iter()
        .map(|(k, v)| (k.clone(), text_of(v)))
        .collect();
    for (name, variable) in &config.secrets {
        given.secrets.insert(
            name.clone(),
            environment(variable).with_context(|| format!("secret `{name}`"))?,
        );
    }
    Ok(given)
}

/// What stages are made from.
struct Setup<'a> {
    source: &'a Source<'a>,
    config: &'a GateConfig,
    path: &'a Path,
    given: &'a Given,
    seed: u64,
}

impl Setup<'_> {
    /// All stages the file asks for, in the order in which they are run. Everything that can be wrong in the files is
    /// found here, before the first request.
    fn stages(&self, cancel: &CancellationToken) -> anyhow::Result<Vec<Box<dyn Stage>>> {
        let mut stages: Vec<Box<dyn Stage>> = Vec::new();
        if let Some(check) = &self.config.check {
            let path = beside(self.path, &check.path);
            let config = source_check::load_config(&path, None)?;
            stages.push(Box::new(CheckStage { path, config }));
        }
        if let Some(smoke) = &self.config.smoke {
            let files = gate::smoke::read(&self.beside(&smoke.files))?;
            let settings = self.given.settings()?;
            stages.push(Box::new(SmokeStage {
                files,
                settings,
                jobs: smoke.jobs.unwrap_or(1),
                cancel: cancel.clone(),
            }));
        }
        if let Some(load) = &self.config.load {
            stages.push(Box::new(self.load(load, cancel)?));
        }
        if let Some(isolation) = &self.config.isolation {
            stages.push(Box::new(self.isolation(isolation, cancel)?));
        }
        if let Some(compare) = &self.config.compare {
            stages.push(Box::new(self.compare(compare, cancel)?));
        }
        Ok(stages)
    }

    fn beside(&self, files: &[PathBuf]) -> Vec<PathBuf> {
        files.iter().map(|file| beside(self.path, file)).collect()
    }

    fn server(&self) -> anyhow::Result<Sources> {
        self.config
            .server
            .as_ref()
            .map_or_else(|| Ok(Sources::default()), |config| sources(config, self.given))
    }

    fn senders(&self, load: &LoadConfig, given: &Given) -> anyhow::Result<Senders> {
        let listed: Vec<JourneyConfig> = load
            .scenario
            .iter()
            .map(|journey| JourneyConfig {
                file: beside(self.path, &journey.file),
                data: journey.data.as_ref().map(|data| beside(self.path, data)),
                ..journey.clone()
            })
            .collect();
        match &load.get {
            Some(_) if !load.files.is_empty() || !listed.is_empty() => {
                bail!("[load]: give scenarios or `get`, not both")
            }
            Some(path) => single(path, given, None),
            None => journeys(&self.beside(&load.files), &listed, given),
        }
    }

    fn shape(&self, load: &LoadConfig) -> Result<Shape, BadConfig> {
        let Some(name) = &load.profile else {
            return Ok(load.shape.clone());
        };
        let below = self
            .config
            .profiles
            .get(name.get_ref())
            .cloned()
            .or_else(|| profile(name.get_ref()));
        let below = below.ok_or_else(|| {
            let message = format!("there is no profile `{}`", name.get_ref());
            self.source.error(
                name.span().start,
                message,
                "known are light, medium, heavy, sustained and [profiles.NAME]",
            )
        })?;
        Ok(load.shape.clone().over(&below))
    }

    fn load(&self, load: &LoadConfig, cancel: &CancellationToken) -> anyhow::Result<LoadStage> {
        let senders = self.senders(load, self.given)?;
        let timeout = self.given.limits().timeout;
        let spec = LoadSpec {
            name: "load".to_owned(),
            plan: plan(&self.shape(load)?, senders.weights(), self.seed, timeout)
                .with_context(|| format!("{}: [load]", self.path.display()))?,
            promises: self.source.thresholds(load)?,
            sources: self.server()?,
        };
        Ok(LoadStage {
            work: Some((spec, senders)),
            cancel: cancel.clone(),
        })
    }

    fn isolation(
        &self,
        section: &IsolationConfig,
        cancel: &CancellationToken,
    ) -> anyhow::Result<IsolationStage> {
        let file = match &section.file {
            Some(_) if !section.table.is_empty() => {
                bail!("[isolation]: give `file` or the settings themselves, not both")
            }
            Some(file) => beside(self.path, file),
            None => self.path.to_owned(),
        };
        let mut config = isolation::Config::load(&file)?;
        config.fill_secrets(|name| environment(name).ok());
        config.target.url = Some(self.given.url.clone());
        config.target.insecure |= self.given.http.insecure;
        let options = isolation::Options {
            seed: self.seed,
            salt: salt(),
            command: format!("farmgate isolate {} --url {}", file.display(), self.given.url),
            stop: cancel.clone(),
            ..isolation::Options::default()
        };
        Ok(IsolationStage { config, options })
    }

    /// Where the figures of the baseline's server and of the candidate's come from.
    fn servers(&self, compare: &CompareConfig, base: &Given) -> anyhow::Result<(Sources, Sources)> {
        // Processor time and memory of one side alone compare with nothing.
        match (&compare.server, &self.config.server) {
            (Some(of_base), Some(of_candidate)) => {
                Ok((sources(of_base, base)?, sources(of_candidate, self.given)?))
            }
            (Some(_), None) => {
                bail!("[compare.server] tells of the baseline; [server] must tell of the candidate, too")
            }
            (None, _) => Ok((Sources::default(), Sources::default())),
        }
    }

    fn compare(&self, compare: &CompareConfig, cancel: &CancellationToken) -> anyhow::Result<CompareStage> {
        let load = self
            .config
            .load
            .as_ref()
            .context("[compare] uses the scenarios of [load], which is missing")?;
        let base = Given {
            url: compare.base.clone(),
            ..self.given.clone()
        };
        let senders = (self.senders(load, &base)?, self.senders(load, self.given)?);
        let servers = self.servers(compare, &base)?;
        let defaults = Rules::default();
        let plan = ComparePlan {
            rate: compare.rate.unwrap_or(200.0),
            slice: compare.slice.map_or(std::time::Duration::from_secs(2), |s| s.0),
            rounds: compare.rounds.unwrap_or(40),
            rules: Rules {
                tolerance: compare.tolerance.unwrap_or(defaults.tolerance),
                error_tolerance: compare.error_tolerance.unwrap_or(defaults.error_tolerance),
                ..defaults
            },
            seed: self.seed,
            drain: self.given.limits().timeout,
            weights: senders.0.weights(),
        };
        let sides = ((senders.0, servers.0), (senders.1, servers.1));
        let names = (compare.base.clone(), self.given.url.clone());
        Ok(CompareStage {
            plan,
            names,
            sides: Some(sides),
            cancel: cancel.clone(),
        })
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<StageResult, String>> + 'a>>;

struct SmokeStage {
    files: Vec<SmokeFile>,
    settings: scenario::Settings,
    jobs: usize,
    cancel: CancellationToken,
}

impl Stage for SmokeStage {
    fn name(&self) -> &'static str {
        "smoke"
    }

    fn run(&mut self) -> Running<'_> {
        let files = std::mem::take(&mut self.files);
        Box::pin(async {
            let (settings, live) = (self.settings.clone(), &mut Live::stderr());
            Ok(gate::smoke::run(files, settings, self.jobs, &self.cancel, live).await)
        })
    }
}

struct LoadStage {
    work: Option<(LoadSpec, Senders)>,
    cancel: CancellationToken,
}

impl Stage for LoadStage {
    fn name(&self) -> &'static str {
        "load"
    }

    fn run(&mut self) -> Running<'_> {
        let (work, cancel) = (self.work.take(), self.cancel.clone());
        Box::pin(async {
            let (spec, senders) = work.ok_or("it was run already")?;
            gate::runs::load(spec, senders, cancel, &mut Live::stderr())
                .await
                .map_err(|e| e.to_string())
        })
    }
}

struct CompareStage {
    plan: ComparePlan,
    names: (String, String),
    sides: Option<((Senders, Sources), (Senders, Sources))>,
    cancel: CancellationToken,
}

impl Stage for CompareStage {
    fn name(&self) -> &'static str {
        "compare"
    }

    fn run(&mut self) -> Running<'_> {
        let (sides, cancel) = (self.sides.take(), self.cancel.clone());
        Box::pin(async {
            let (base, candidate) = sides.ok_or("it was run already")?;
            let names = (self.names.0.as_str(), self.names.1.as_str());
            gate::runs::compare(&self.plan, names, base, candidate, cancel, &mut Live::stderr())
                .await
                .map_err(|e| e.to_string())
        })
    }
}
