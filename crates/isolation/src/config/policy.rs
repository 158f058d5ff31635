//! Where the service is, what is right there, and how much is done.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Error;

/// Where the service is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Base URL, such as `http://127.0.0.1:8080`. The command line's `--url` wins.
    pub url: Option<String>,
    /// OpenAPI document (JSON): a file, a URL, or a path on the service. What it describes and this file does not is added.
    pub openapi: Option<String>,
    /// Hurl files: each is run once, and the operations it shows are added to what this file describes.
    pub scenarios: Vec<std::path::PathBuf>,
    /// Milliseconds one exchange may take. Default: 10000.
    pub timeout_ms: u64,
    /// Largest answer that is read, in bytes. Default: 64 MiB.
    pub max_body: usize,
    /// Accept any certificate. Default: false.
    pub insecure: bool,
    /// Further addresses of the same service (its load balancer, another replica): answers must not leak there either.
    pub also: Vec<String>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            url: None,
            openapi: None,
            scenarios: Vec::new(),
            timeout_ms: 10_000,
            max_body: 64 << 20,
            insecure: false,
            also: Vec::new(),
        }
    }
}

/// Who may see what, and what counts as noise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Paths that anybody may read; what stands there must be public. Scanned without credentials.
    pub public: Vec<String>,
    /// Administrators see everything. Default: true.
    pub admin_sees_all: bool,
    /// A foreign id may be told from an absent one (403 beside 404). Default: false.
    pub existence_may_show: bool,
    /// E-mail addresses and user names are no secret among users. Default: true. Pages without a login never show addresses.
    pub names_are_known: bool,
    /// Path prefixes where deleted content may live on: audit trails, trash, history.
    pub retained: Vec<String>,
    /// Milliseconds that a write, a deletion or a revocation may need to be seen everywhere. Default: 0.
    pub grace_ms: u64,
    /// JSON field names that move by themselves, at any depth.
    pub volatile: Vec<String>,
    /// Headers that move by themselves.
    pub volatile_headers: Vec<String>,
    /// Rules that do not apply here, each with its reason.
    pub waived: BTreeMap<String, String>,
    /// Names of resources, views and operations that need not be covered.
    pub uncovered: Vec<String>,
    /// Milliseconds of a victim's 95th percentile under noise; without it latency is reported and never judged.
    pub latency_objective_ms: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            public: Vec::new(),
            admin_sees_all: true,
            existence_may_show: false,
            names_are_known: true,
            retained: Vec::new(),
            grace_ms: 0,
            volatile: Vec::new(),
            volatile_headers: Vec::new(),
            waived: BTreeMap::new(),
            uncovered: Vec::new(),
            latency_objective_ms: None,
        }
    }
}

/// How much is done. More finds rarer leaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Effort {
    /// Times each check is done. Default: 2.
    pub rounds: usize,
    /// Requests of the storm. 0: none. Default: 4000.
    pub storm_requests: usize,
    /// Workers of the storm. Default: 24.
    pub storm_workers: usize,
    /// A command (program and arguments) that restarts the service in the middle of the storm, and ends when it is there again.
    pub restart: Vec<String>,
    /// Milliseconds of one arm of the noisy-neighbour rounds. 0: none. Default: 400.
    pub noise_ms: u64,
    /// Requests in flight of the noisy neighbour. Default: 32.
    pub noise_requests: usize,
    /// Prometheus page with gauges that must return to their baseline.
    pub metrics: Option<String>,
    /// Names of these gauges.
    pub gauges: Vec<String>,
    /// Milliseconds within which limits, slots and gauges are free again. Default: 3000.
    pub baseline_ms: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            rounds: 2,
            storm_requests: 4_000,
            storm_workers: 24,
            restart: Vec::new(),
            noise_ms: 400,
            noise_requests: 32,
            metrics: None,
            gauges: Vec::new(),
            baseline_ms: 3_000,
        }
    }
}

impl Effort {
    /// Sees that nothing declared could be left undone in silence.
    pub(super) fn validate(&self) -> Result<(), Error> {
        let refused = match self {
            Self { rounds: 0, .. } => "effort.rounds must be at least 1",
            Self {
                storm_requests: 0,
                restart,
                ..
            } if !restart.is_empty() => {
                "effort.restart happens in the storm: effort.storm_requests must not be 0"
            }
            Self {
                storm_requests: 1..,
                storm_workers: 0,
                ..
            } => "effort.storm_workers must be at least 1, or effort.storm_requests 0",
            _ => return Ok(()),
        };
        Err(Error::Config(refused.into()))
    }
}
