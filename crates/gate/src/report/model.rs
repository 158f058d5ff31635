//! What a report says, as `report.json` writes it; `docs/report.schema.json` is generated from these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::compare::{FigureAnswer, TableRow};
use crate::load::{Ended, GeneratorReport, Model, Run};
use crate::measure::{Cell, Latency, Selection, Series, Summary, Tag, Tally};
use crate::server::ServerSeries;
use crate::soak::{Drift, SoakSample};
use crate::threshold::Held;
use crate::verdict::Verdict;

/// Name of the format; the number grows when a reader of the old one would misread the new one.
pub const SCHEMA: &str = "farmgate-report/1";

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always `farmgate-report/1`.
    pub schema: String,
    /// Version of the tool that wrote it.
    pub tool_version: String,
    /// Name of what was tested.
    pub name: String,
    /// Base URL of what was tested, without credentials.
    pub target: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub finished: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where it ran.
    pub environment: Environment,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in the order a reader needs: failures, doubts, then what held.
    pub reasons: Vec<String>,
    /// The stages in the order they ran.
    pub stages: Vec<StageResult>,
    /// SHA-256 of everything above in canonical JSON (RFC 8785); what a sign-off refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_sha256: Option<String>,
}

/// The machine of the generator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Operating system and architecture.
    pub system: String,
    /// Processors available to the tool.
    pub processors: usize,
    /// The arguments it was called with, secrets left out.
    pub command: Vec<String>,
}

impl Environment {
    /// This machine, and the command line given.
    pub fn here(command: Vec<String>) -> Self {
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            command,
        }
    }
}

/// What a stage found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageResult {
    /// Name of the stage.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub reasons: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The evidence.
    pub detail: Detail,
}

impl StageResult {
    /// A stage that could not be carried out: inconclusive, never a pass.
    pub fn not_run(name: &str, why: &str) -> Self {
        Self {
            name: name.to_owned(),
            verdict: Verdict::Inconclusive,
            reasons: vec![format!("not run: {why}")],
            seconds: 0.0,
            detail: Detail::None,
        }
    }
}

/// The evidence of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// There is none: the stage was not run.
    None,
    /// Scenarios run once.
    Smoke(SmokeReport),
    /// A load run.
    Load(Box<LoadReport>),
    /// A soak.
    Soak(Box<SoakReport>),
    /// A comparison.
    Compare(CompareReport),
    /// A stage of another crate: facts and findings.
    Findings {
        /// Facts as pairs of name and value.
        facts: Vec<(String, String)>,
        /// What was found.
        findings: Vec<Finding>,
    },
}

/// Something a stage of another crate found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable name of the rule.
    pub rule: String,
    /// What is wrong, in one sentence.
    pub title: String,
    /// Where: a file and line, or a request.
    pub place: String,
    /// The evidence.
    pub detail: String,
}

/// Scenarios run once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SmokeReport {
    /// One row per assert, in order of files and lines.
    pub rows: Vec<SmokeRow>,
    /// Scenario files run.
    pub files: usize,
    /// Requests sent.
    pub calls: usize,
}

/// One assert, or an entry that could not be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SmokeRow {
    /// Scenario file.
    pub file: String,
    /// Line of the assert.
    pub line: u32,
    /// Name of the request.
    pub request: String,
    /// Try of the entry, from 0.
    pub attempt: u32,
    /// The assert as written, or what was to be done.
    pub text: String,
    /// Whether it held.
    pub ok: bool,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
}

/// A load run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadReport {
    /// Open or closed.
    pub model: Model,
    /// How it ended.
    pub ended: Ended,
    /// Seconds that count, warm-up and draining left out.
    pub measured_seconds: f64,
    /// Requests of all outcomes per second.
    pub rate: f64,
    /// Counts of all requests that count.
    pub total: Tally,
    /// Latencies of all requests that count, in seconds.
    pub latency: Option<Summary>,
    /// Thresholds.
    pub thresholds: Vec<Held>,
    /// What samples are filed under.
    pub tags: Vec<Tag>,
    /// Phases: name, whether it is warm-up, and seconds it ran.
    pub phases: Vec<(String, bool, f64)>,
    /// Counts and histograms by phase and tag.
    pub cells: Vec<CellReport>,
    /// Figures over time.
    pub series: Series,
    /// The generator about itself.
    pub generator: GeneratorReport,
    /// Histogram of the generator's own delay, base64 of HdrHistogram V2 in microseconds.
    pub lag_histogram: String,
    /// Figures of the server.
    pub server: Option<ServerSeries>,
    /// Of each request that was answered otherwise than asserted: the first time, as index of the tag and words.
    #[serde(default)]
    pub examples: Vec<(usize, String)>,
}

/// Counts and latencies of one tag in one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellReport {
    /// Index of the phase.
    pub phase: usize,
    /// Index of the tag.
    pub tag: usize,
    /// Counts.
    pub tally: Tally,
    /// Latencies in seconds.
    pub latency: Option<Summary>,
    /// Histogram, base64 of HdrHistogram V2 in microseconds.
    pub histogram: String,
}

impl LoadReport {
    /// The report of a run whose thresholds have been checked.
    pub fn new(model: Model, run: &Run, thresholds: Vec<Held>, server: Option<ServerSeries>) -> Self {
        let measured = &run.measured;
        let all = measured.select(&Selection::default());
        let seconds = measured.seconds_of(&Selection::default());
        let phases = measured
            .phases
            .iter()
            .zip(&measured.warmup)
            .zip(&measured.seconds);
        let mut cells = Vec::new();
        for phase in 0..measured.phases.len() {
            for tag in 0..measured.tags.len() {
                cells.extend(
                    measured
                        .cell(phase, tag)
                        .map(|cell| CellReport::new(phase, tag, cell)),
                );
            }
        }
        Self {
            model,
            ended: run.ended.clone(),
            measured_seconds: seconds,
            rate: if seconds > 0.0 {
                all.tally.total() as f64 / seconds
            } else {
                0.0
            },
            latency: all.latency.summary(),
            total: all.tally,
            thresholds,
            tags: measured.tags.clone(),
            phases: phases
                .map(|((name, warmup), seconds)| (name.clone(), *warmup, *seconds))
                .collect(),
            cells,
            series: run.series.clone(),
            generator: run.generator.clone(),
            lag_histogram: run.lag.encode(),
            server,
            examples: measured.examples.clone().into_iter().collect(),
        }
    }
}

impl CellReport {
    fn new(phase: usize, tag: usize, cell: &Cell) -> Self {
        let Cell { tally, latency } = cell;
        Self {
            phase,
            tag,
            tally: tally.clone(),
            latency: latency.summary(),
            histogram: latency.encode(),
        }
    }

    /// The cell, for merging.
    pub(super) fn cell(&self) -> Result<Cell, crate::measure::BadHistogram> {
        Ok(Cell {
            tally: self.tally.clone(),
            latency: Latency::decode(&self.histogram)?,
        })
    }
}

/// A soak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SoakReport {
    /// Planned length in seconds.
    pub planned_seconds: f64,
    /// How many times faster than planned it was carried out; 1 is real time.
    pub speed: f64,
    /// Times it was taken up again after an interruption.
    pub resumed: u32,
    /// Drift of each figure watched.
    pub drifts: Vec<Drift>,
    /// Samples over time.
    pub samples: Vec<SoakSample>,
    /// Hours since the start at which the latency changed its level.
    pub latency_changes: Vec<f64>,
    /// Counts of all requests.
    pub total: Tally,
    /// Thresholds.
    pub thresholds: Vec<Held>,
}

/// A comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompareReport {
    /// URL or name of the baseline.
    pub base: String,
    /// URL or name of the candidate.
    pub candidate: String,
    /// Rounds that count.
    pub rounds: usize,
    /// What could be resolved, said before it began.
    pub plan: String,
    /// One answer per figure.
    pub answers: Vec<FigureAnswer>,
    /// The before/after table.
    #[serde(default)]
    pub table: Vec<TableRow>,
}

impl Report {
    /// Reads a report in JSON.
    ///
    /// # Errors
    /// Where the text is no report.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// A report of these stages, with the verdict of all together and its hash.
    pub fn new(
        name: &str,
        target: &str,
        seed: u64,
        environment: Environment,
        stages: Vec<StageResult>,
    ) -> Self {
        let verdict = crate::stage::verdict(&stages);
        let mut reasons = Vec::new();
        for wanted in [Verdict::Fail, Verdict::Inconclusive, Verdict::Pass] {
            for stage in stages.iter().filter(|stage| stage.verdict == wanted) {
                reasons.extend(
                    stage
                        .reasons
                        .iter()
                        .map(|reason| format!("{}: {reason}", stage.name)),
                );
            }
        }
        if stages.is_empty() {
            reasons.push("nothing was run".to_owned());
        }
        Self {
            schema: SCHEMA.to_owned(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.to_owned(),
            target: without_credentials(target),
            started: String::new(),
            finished: String::new(),
            seed,
            environment,
            verdict,
            reasons,
            stages,
            evidence_sha256: None,
        }
    }

    /// Sets the times and seals the report with the hash of its evidence.
    pub fn seal(mut self, started: String, finished: String) -> Self {
        self.started = started;
        self.finished = finished;
        self.evidence_sha256 = None;
        self.evidence_sha256 = Some(self.hash());
        self
    }

    /// True if the hash fits what the report says.
    pub fn is_intact(&self) -> bool {
        let bare = Self {
            evidence_sha256: None,
            ..self.clone()
        };
        self.evidence_sha256.as_deref() == Some(bare.hash().as_str())
    }

    fn hash(&self) -> String {
        let value = serde_json::to_value(self).expect("a report is plain data");
        let canonical = serde_json_canonicalizer::to_vec(&value).expect("JSON values have a canonical form");
        hex::encode(Sha256::digest(canonical))
    }
}

fn without_credentials(target: &str) -> String {
    let Ok(mut url) = target.parse::<url::Url>() else {
        return target.to_owned();
    };
    // Fails only for URLs that cannot carry credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// The JSON Schema of `report.json`.
pub fn schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(Report)).expect("a schema is plain data")
}
