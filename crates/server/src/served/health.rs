//! How the server and what it depends on are: probed when asked, with a short memory; and whether it may be sent requests.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::ids::{Clock, Timestamp};
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// One component and how to ask it.
pub struct Probe {
    name: &'static str,
    critical: bool,
    check: Check,
}

impl Probe {
    /// A component without which the server cannot work: it is unhealthy when the check fails.
    pub fn critical(
        name: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            critical: true,
            check: Box::new(check),
        }
    }

    /// A component without which the server works less well: it is degraded when the check fails.
    pub fn helpful(
        name: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            critical: false,
            check: Box::new(check),
        }
    }
}

/// What a probe found.
struct Finding {
    name: &'static str,
    critical: bool,
    problem: Option<String>,
}

/// How long a finding is believed.
const MEMORY: Duration = Duration::from_secs(1);
/// How long a component may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// All components, with what was found last.
pub struct Health {
    probes: Vec<Probe>,
    started: Timestamp,
    last: tokio::sync::Mutex<Option<(Timestamp, Arc<Vec<Finding>>)>>,
}

impl Health {
    /// These components.
    #[must_use]
    pub fn new(probes: Vec<Probe>, clock: &dyn Clock) -> Self {
        Self {
            probes,
            started: clock.now(),
            last: tokio::sync::Mutex::new(None),
        }
    }

    /// Time since the start.
    #[must_use]
    pub fn uptime(&self, clock: &dyn Clock) -> Duration {
        clock.now().since(self.started)
    }

    /// Asks every component, at most once a second however many want to know.
    async fn findings(&self, clock: &dyn Clock) -> Arc<Vec<Finding>> {
        let mut last = self.last.lock().await;
        let now = clock.now();
        if let Some((at, known)) = &*last
            && now.since(*at) < MEMORY
            && now >= *at
        {
            return Arc::clone(known);
        }
        let asked = self.probes.iter().map(|probe| async {
            let problem = match tokio::time::timeout(PATIENCE, (probe.check)()).await {
                Ok(answer) => answer.err(),
                Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
            };
            Finding {
                name: probe.name,
                critical: probe.critical,
                problem,
            }
        });
        let found = Arc::new(join_all(asked).await);
        *last = Some((now, Arc::clone(&found)));
        found
    }

    /// Whether requests can be served at all, and the report.
    pub(super) async fn report(&self, clock: &dyn Clock, version: &str) -> (bool, Value) {
        let found = self.findings(clock).await;
        let failed = |critical| {
            found
                .iter()
                .any(|f| f.problem.is_some() && f.critical == critical)
        };
        let status = match (failed(true), failed(false)) {
            (true, _) => "unhealthy",
            (false, true) => "degraded",
            (false, false) => "healthy",
        };
        let components: Map<String, Value> = found.iter().map(|f| (f.name.to_owned(), f.view())).collect();
        let body = json!({
            "status": status, "timestamp": clock.now(), "components": components,
            "uptime_seconds": self.uptime(clock).as_secs(), "version": version,
        });
        (!failed(true), body)
    }

    /// Whether one component is well, and its part of the report.
    pub(super) async fn component(&self, name: &str, clock: &dyn Clock) -> (bool, Value) {
        let found = self.findings(clock).await;
        found.iter().find(|f| f.name == name).map_or_else(
            || {
                (
                    false,
                    json!({"status": "unhealthy", "problem": "nothing checks this component"}),
                )
            },
            |f| (f.problem.is_none(), f.view()),
        )
    }
}

impl Finding {
    fn view(&self) -> Value {
        match (&self.problem, self.critical) {
            (None, _) => json!({"status": "healthy"}),
            (Some(problem), true) => json!({"status": "unhealthy", "problem": problem}),
            (Some(problem), false) => json!({"status": "degraded", "problem": problem}),
        }
    }
}

/// What must be done before requests may come: the server is ready when nothing is held.
#[derive(Clone, Debug, Default)]
// farmgate: allow(shared-store-lock) because a set of a few words, held for one look
pub struct Latches(Arc<Mutex<BTreeSet<&'static str>>>);

impl Latches {
    /// Holds the named latch, as `migrations` before they ran, or `serving` while draining.
    pub fn hold(&self, name: &'static str) {
        // farmgate: allow(blocking-lock) because a set of a few words, held for one look
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }

    /// Opens it.
    pub fn open(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> Vec<&'static str> {
        self.0
            // farmgate: allow(blocking-lock) because a set of a few words, held for one look
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .copied()
            .collect()
    }
}
