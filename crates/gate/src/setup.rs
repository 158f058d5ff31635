//! From settings to things that run: scenario files, variables, plans, requests. The file system is read here and in
//! `files`; the environment is passed in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scenario::http::{Connect, Limits, Parts, Request, TlsOptions, Version};
use scenario::{HttpVersion, Scenario, Settings, Value};

use crate::config::{HttpConfig, JourneyConfig, Shape};
use crate::files::{read_rows, read_text};
use crate::load::plan::{Model, Phase, Plan, Think, default_warmup, with_warmup};
use crate::load::{Journey, Rows, SingleOptions};
use crate::units::Span;

/// Why a run cannot begin. Shown to people; carries the place where there is one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub String);

pub(crate) fn failed(message: impl Into<String>) -> SetupError {
    SetupError(message.into())
}

/// Longest exchange when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time to open a connection when nothing else is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Finds scenario files: files as they are, folders as the `.hurl` files in them, in order of their names.
///
/// # Errors
/// If a path does not exist, or nothing is found: a run of nothing proves nothing.
pub fn find_scenarios(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SetupError> {
    let mut found = Vec::new();
    for path in paths {
        // farmgate: allow(blocking-fs) because files are read before the first request is sent
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
            let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.retain(|file| file.extension().is_some_and(|e| e == "hurl"));
            files.sort();
            found.extend(files);
        } else if path.is_file() {
            found.push(path.clone());
        } else {
            return Err(failed(format!("{}: no such file or folder", path.display())));
        }
    }
    if found.is_empty() {
        return Err(failed(
            "no scenario files found: name .hurl files or a folder that holds some",
        ));
    }
    Ok(found)
}

/// Reads and checks one scenario file.
///
/// # Errors
/// With file, line, column and hint.
pub fn read_scenario(path: &Path) -> Result<Scenario, SetupError> {
    let name = path.display().to_string();
    let text = read_text(path)?;
    scenario::parse(&name, &text).map_err(|diagnostics| failed(diagnostics.to_string()))
}

/// Name of a scenario in reports: its `# @scenario` comment, else the file's name without ending.
pub fn scenario_name(scenario: &Scenario, path: &Path) -> String {
    let stem = || {
        path.file_stem().map_or_else(
            || scenario.name().to_owned(),
            |s| s.to_string_lossy().into_owned(),
        )
    };
    directive(scenario, "scenario").map_or_else(stem, str::to_owned)
}

fn directive<'a>(scenario: &'a Scenario, key: &str) -> Option<&'a str> {
    scenario
        .directives()
        .iter()
        .find(|d| d.key == key && !d.value.is_empty())
        .map(|d| d.value.as_str())
}

/// The rows of a scenario: from the file that is named, else from the one that its `# @data` comment names.
pub(crate) fn rows(file: &Path, scenario: &Scenario, named: Option<&Path>) -> Result<Rows, SetupError> {
    let beside = |name: &str| file.parent().unwrap_or(Path::new("")).join(name);
    let data = named
        .map(Path::to_path_buf)
        .or_else(|| directive(scenario, "data").map(beside));
    data.as_deref().map_or_else(|| Ok(Rows::default()), read_rows)
}

/// A journey from its settings; what they leave open is taken from the file's `# @weight` and `# @data` comments.
///
/// # Errors
/// If the scenario or its data cannot be read.
pub fn journey(config: &JourneyConfig) -> Result<Journey, SetupError> {
    let scenario = read_scenario(&config.file)?;
    let weight = match (config.weight, directive(&scenario, "weight")) {
        (Some(weight), _) => weight,
        (None, Some(text)) => text.parse().map_err(|_| {
            failed(format!(
                "{}: `# @weight {text}` is no number",
                config.file.display()
            ))
        })?,
        (None, None) => 1.0,
    };
    if !(weight.is_finite() && weight >= 0.0) {
        return Err(failed(format!(
            "{}: a weight cannot be {weight}",
            config.file.display()
        )));
    }
    let rows = rows(&config.file, &scenario, config.data.as_deref())?;
    let name = config
        .name
        .clone()
        .unwrap_or_else(|| scenario_name(&scenario, &config.file));
    Ok(Journey {
        scenario,
        name,
        weight,
        rows,
        new_visitor: config.new_visitor,
    })
}

/// What all scenarios of a run are given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Base URL; scenarios see it as `{{url}}`, `{{base_url}}` and `{{host}}`, without a slash at the end.
    pub url: String,
    /// Variables.
    pub variables: BTreeMap<String, String>,
    /// Variables whose values are redacted.
    pub secrets: BTreeMap<String, String>,
    /// How requests are sent.
    pub http: HttpConfig,
    /// Folder of the files that scenarios send; without it the folder of each scenario.
    pub file_root: Option<PathBuf>,
}

/// A variable's value. As in Hurl `true` and `false` are booleans, which options such as `skip` need; printed into a
/// text they look the same.
fn variable(text: &str) -> Value {
    text.parse::<bool>()
        .map_or_else(|_| Value::String(text.to_owned()), Value::Bool)
}

impl Given {
    /// Settings for users of scenarios.
    ///
    /// # Errors
    /// If the base URL is none, or the file of root certificates cannot be read.
    pub fn settings(&self) -> Result<Settings, SetupError> {
        self.check_url()?;
        let mut settings = Settings {
            secrets: self.secrets.clone(),
            file_root: self.file_root.clone(),
            ..Settings::default()
        };
        let base = self.url.trim_end_matches('/');
        for name in ["url", "base_url", "host"] {
            settings
                .variables
                .insert(name.to_owned(), Value::String(base.to_owned()));
        }
        let variables = self.variables.iter().map(|(k, v)| (k.clone(), variable(v)));
        settings.variables.extend(variables);
        settings.limits = self.limits();
        settings.connect_timeout = self.http.connect_timeout.map_or(CONNECT_TIMEOUT, |s| s.0);
        settings.insecure = self.http.insecure;
        settings.ca_pem = self.ca_pem()?;
        settings.keep_alive = self.http.keep_alive.unwrap_or(true);
        settings.http_version = if self.http.http2 {
            HttpVersion::Http2PriorKnowledge
        } else {
            HttpVersion::Http11
        };
        settings.headers = self.http.headers.clone().into_iter().collect();
        Ok(settings)
    }

    /// Refuses a base URL to which nothing can be sent: that is a wrong question, not a failed release.
    fn check_url(&self) -> Result<(), SetupError> {
        let text = &self.url;
        let refuse = |why: &str| Err(failed(format!("`{text}` is no base URL: {why}")));
        let is_http = ["http://", "https://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        match url::Url::parse(text) {
            _ if !is_http => refuse("it must begin with http:// or https://, as in http://localhost:8080"),
            Err(why) => refuse(&why.to_string()),
            Ok(_) => Ok(()),
        }
    }

    /// Bounds of one exchange.
    pub fn limits(&self) -> Limits {
        Limits {
            timeout: self.http.timeout.map_or(TIMEOUT, |s| s.0),
            ..Limits::default()
        }
    }

    fn ca_pem(&self) -> Result<Option<std::sync::Arc<[u8]>>, SetupError> {
        let Some(path) = &self.http.ca_file else {
            return Ok(None);
        };
        // farmgate: allow(blocking-fs) because files are read before the first request is sent
        let pem = std::fs::read(path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
        Ok(Some(pem.into()))
    }

    /// How connections are opened.
    ///
    /// # Errors
    /// If the roots cannot be used.
    pub fn connect(&self) -> Result<Connect, SetupError> {
        let options = TlsOptions {
            insecure: self.http.insecure,
            ca_pem: self.ca_pem()?,
            http2: self.http.http2,
            ..TlsOptions::default()
        };
        let mut connect = Connect::new(options.build().map_err(|e| failed(e.to_string()))?);
        connect.timeout = self.http.connect_timeout.map_or(CONNECT_TIMEOUT, |s| s.0);
        connect.http2_prior_knowledge = self.http.http2;
        Ok(connect)
    }

    /// A GET of a URL, or of a path below the base URL, with the run's headers.
    ///
    /// # Errors
    /// If it is no URL.
    pub fn get(&self, target: &str) -> Result<Request, SetupError> {
        self.check_url()?;
        let full = if target.contains("://") {
            target.to_owned()
        } else {
            format!(
                "{}/{}",
                self.url.trim_end_matches('/'),
                target.trim_start_matches('/')
            )
        };
        let url = full
            .parse()
            .map_err(|e| failed(format!("`{full}` is no URL: {e}")))?;
        let mut headers: Vec<_> = self.http.headers.clone().into_iter().collect();
        headers.push((
            "User-Agent".to_owned(),
            concat!("farmgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        ));
        if self.http.keep_alive == Some(false) {
            headers.push(("Connection".to_owned(), "close".to_owned()));
        }
        let parts = Parts {
            method: "GET",
            url: &url,
            headers: headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect(),
            body: Default::default(),
            version: Version::Http11,
            raw_path: None,
        };
        Request::from_parts(parts).map_err(|e| failed(e.to_string()))
    }

    /// The fast path for one URL.
    ///
    /// # Errors
    /// As for [`get`](Self::get) and [`connect`](Self::connect).
    pub fn single(&self, target: &str, status: Option<u16>) -> Result<SingleOptions, SetupError> {
        let request = self.get(target)?;
        Ok(SingleOptions {
            name: format!("GET {}", request.path()),
            request,
            connect: self.connect()?,
            limits: self.limits(),
            keep_alive: self.http.keep_alive.unwrap_or(true),
            status,
        })
    }
}

/// The built-in profiles.
pub fn profile(name: &str) -> Option<Shape> {
    let open = |rate, seconds| Shape {
        rate: Some(rate),
        duration: Some(Span(Duration::from_secs(seconds))),
        ..Shape::default()
    };
    Some(match name {
        "light" => open(10.0, 30),
        "medium" => open(100.0, 60),
        "heavy" => open(500.0, 60),
        "sustained" => open(100.0, 600),
        _ => return None,
    })
}

/// The plan of a shape for journeys of these weights.
///
/// # Errors
/// If the shape names no load, two loads, or one that makes no sense.
pub fn plan(shape: &Shape, weights: Vec<f64>, seed: u64, timeout: Duration) -> Result<Plan, SetupError> {
    let (model, phases) = phases(shape)?;
    let total = phases.iter().map(|p| p.duration).sum();
    let warmup = shape.warmup.map_or_else(|| default_warmup(total), |s| s.0);
    if warmup >= total {
        return Err(failed(format!(
            "a warm-up of {} leaves nothing of the run to measure",
            Span(warmup)
        )));
    }
    if weights.iter().sum::<f64>() <= 0.0 {
        return Err(failed("all scenarios have weight 0"));
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (least, most) = shape
        .think
        .map_or_else(Default::default, |(a, b)| (a.0, b.0.max(a.0)));
    Ok(Plan {
        model,
        phases: with_warmup(phases, warmup),
        poisson: shape.poisson.unwrap_or(false),
        think: Think { least, most },
        weights,
        seed,
        drain: shape.drain.map_or(timeout, |s| s.0),
        max_in_flight: shape.max_in_flight.unwrap_or(10_000),
        threads: shape.threads.unwrap_or(processors).max(1),
        tick: Duration::from_secs(1),
    })
}

fn phases(shape: &Shape) -> Result<(Model, Vec<Phase>), SetupError> {
    let duration = shape.duration.map_or(Duration::from_secs(30), |s| s.0);
    if duration.is_zero() {
        return Err(failed("a load must last longer than nothing"));
    }
    let phases = named_load(shape, duration)?;
    let nothing = phases.1.is_empty() || phases.1.iter().all(|p| p.from <= 0.0 && p.to <= 0.0);
    let odd = phases
        .1
        .iter()
        .any(|p| !(p.from >= 0.0 && p.to >= 0.0 && p.from + p.to < 1e7));
    if nothing || odd {
        return Err(failed("a load must be more than 0 and less than 10 million"));
    }
    Ok(phases)
}

/// The one load that is named, as phases of this length.
fn named_load(shape: &Shape, duration: Duration) -> Result<(Model, Vec<Phase>), SetupError> {
    let phase = |name: String, from: f64, to: f64| Phase {
        name,
        warmup: false,
        duration,
        from,
        to,
    };
    let phases = match (shape.rate, &shape.rates, shape.users, &shape.ladder) {
        (Some(rate), None, None, None) => (
            Model::Open,
            vec![phase("load".to_owned(), rate, shape.ramp_to.unwrap_or(rate))],
        ),
        (None, Some(rates), None, None) => (
            Model::Open,
            rates.iter().map(|r| phase(format!("{r}/s"), *r, *r)).collect(),
        ),
        (None, None, Some(users), None) => (
            Model::Closed,
            vec![phase("load".to_owned(), users as f64, users as f64)],
        ),
        (None, None, None, Some(ladder)) => {
            let step = |users: &usize| phase(format!("{users} users"), *users as f64, *users as f64);
            (Model::Closed, ladder.iter().map(step).collect())
        }
        (None, None, None, None) => {
            return Err(failed(
                "no load is named: give a rate, rates, users, a ladder or a profile",
            ));
        }
        _ => {
            return Err(failed(
                "more than one load is named: give only one of rate, rates, users and ladder",
            ));
        }
    };
    Ok(phases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_becomes_phases_with_a_warm_up_of_a_tenth() {
        let shape = Shape {
            ladder: Some(vec![10, 25]),
            duration: Some("10s".parse().unwrap()),
            ..Shape::default()
        };
        let plan = plan(&shape, vec![1.0], 1, TIMEOUT).unwrap();
        let names: Vec<_> = plan.phases.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["10 users (warm-up)", "10 users", "25 users"]);
        assert_eq!((plan.phases[0].duration.as_secs(), plan.most_users()), (2, 25));
    }

    #[test]
    fn a_load_that_makes_no_sense_is_refused() {
        let with = |rate, users, duration: &str| {
            let shape = Shape {
                rate,
                users,
                duration: Some(duration.parse().unwrap()),
                ..Shape::default()
            };
            plan(&shape, vec![1.0], 1, TIMEOUT).is_ok()
        };
        assert!(with(Some(5.0), None, "1s"));
        assert!(!with(None, None, "1s"));
        assert!(!with(Some(5.0), Some(5), "1s"));
        assert!(!with(Some(0.0), None, "1s"));
        assert!(!with(Some(-5.0), None, "1s"));
        assert!(!with(Some(5.0), None, "0s"));
    }

    #[test]
    fn every_named_profile_exists() {
        assert!(
            ["light", "medium", "heavy", "sustained"]
                .iter()
                .all(|name| profile(name).is_some())
        );
    }
}
