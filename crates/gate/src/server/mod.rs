//! Figures of the server under test, sampled during a run: from any Prometheus text endpoint, or from the process table.
//! How a figure is computed from metrics is in `formula`, what the process table says in `process`.

mod formula;
mod process;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use scenario::http::{Connect, Connection, Limits, Request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::threshold::ServerFigures;
use formula::Scrape;
pub use formula::{Formula, default_formulas};
use process::read_process;

/// Longest answer of a metrics endpoint.
const MAX_METRICS: usize = 16 * 1024 * 1024;
/// Most samples kept; when reached, every second one is dropped and the pace halves.
const MOST_SAMPLES: usize = 2000;

/// Where figures of the server come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A Prometheus text endpoint.
    pub metrics: Option<Request>,
    /// How its connection is opened.
    pub connect: Option<Connect>,
    /// Figures computed from it, by dotted name.
    pub formulas: BTreeMap<String, Formula>,
    /// A process on this machine.
    pub pid: Option<u32>,
    /// How often it is looked at.
    pub every: Duration,
}

/// One look at the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSample {
    /// Seconds from the start of sampling.
    pub at: f64,
    /// Figures by name.
    pub figures: BTreeMap<String, f64>,
}

/// What a sampler found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSeries {
    /// Samples in order of time.
    pub samples: Vec<ServerSample>,
    /// Highest value of each figure.
    pub highest: ServerFigures,
    /// Looks that gave nothing, with the last reason.
    pub failed: u64,
    /// Why the last failed look failed.
    pub last_failure: Option<String>,
}

impl ServerSeries {
    fn add(&mut self, sample: ServerSample) {
        for (name, value) in &sample.figures {
            let highest = self.highest.entry(name.clone()).or_insert(*value);
            *highest = highest.max(*value);
        }
        self.samples.push(sample);
    }
}

/// What a sampler shows while it runs.
#[derive(Clone, Debug, Default)]
pub struct LiveFigures {
    /// The last look.
    pub latest: ServerFigures,
    /// Highest value of each figure so far.
    pub highest: ServerFigures,
}

/// Looks at the server until `cancel`, and returns everything seen; `live` is told of every look.
pub async fn sample(
    sources: Sources,
    cancel: CancellationToken,
    live: tokio::sync::watch::Sender<LiveFigures>,
) -> ServerSeries {
    let start = Instant::now();
    let mut series = ServerSeries::default();
    let mut state = Previous::default();
    let mut every = sources.every.max(Duration::from_millis(100));
    while sources.metrics.is_some() || sources.pid.is_some() {
        match look(&sources, &mut state).await {
            Ok(figures) => series.add(ServerSample {
                at: start.elapsed().as_secs_f64(),
                figures,
            }),
            Err(reason) => {
                series.failed += 1;
                series.last_failure = Some(reason);
            }
        }
        if series.samples.len() >= MOST_SAMPLES {
            let mut keep = false;
            series.samples.retain(|_| {
                keep = !keep;
                keep
            });
            every *= 2;
        }
        let latest = series
            .samples
            .last()
            .map(|s| s.figures.clone())
            .unwrap_or_default();
        live.send_replace(LiveFigures {
            latest,
            highest: series.highest.clone(),
        });
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep(every) => {}
        }
    }
    series
}

/// One look at the server; empty if it gives nothing. Rates need two looks and are not in it.
pub async fn look_once(sources: &Sources) -> ServerFigures {
    look(sources, &mut Previous::default()).await.unwrap_or_default()
}

/// What rates are computed against.
#[derive(Default)]
struct Previous {
    scrape: Option<Scrape>,
    ticks: Option<(Instant, f64)>,
}

async fn look(sources: &Sources, previous: &mut Previous) -> Result<ServerFigures, String> {
    let mut figures = ServerFigures::new();
    if let (Some(request), Some(connect)) = (&sources.metrics, &sources.connect) {
        let now = scrape(request, connect).await?;
        for (name, formula) in &sources.formulas {
            figures.extend(
                formula
                    .value(&now, previous.scrape.as_ref())
                    .map(|value| (name.clone(), value)),
            );
        }
        previous.scrape = Some(now);
    }
    if let Some(pid) = sources.pid {
        read_process(pid, previous, &mut figures)?;
    }
    Ok(figures)
}

async fn scrape(request: &Request, connect: &Connect) -> Result<Scrape, String> {
    let limits = Limits {
        max_body: MAX_METRICS,
        timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let mut connection = Connection::open(request.target(), connect)
        .await
        .map_err(|e| e.to_string())?;
    let response = connection
        .send(request, &limits)
        .await
        .map_err(|e| e.to_string())?;
    if response.status != 200 {
        return Err(format!("the metrics endpoint answered {}", response.status));
    }
    let text = String::from_utf8_lossy(&response.body);
    Ok(Scrape {
        at: Instant::now(),
        text: text.into(),
    })
}
