//! The evidence of each kind of stage of ours, as `report.json` writes it: smoke, load, soak, comparison.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::{FigureAnswer, TableRow};
use crate::load::{Ended, GeneratorReport, Model, Run};
use crate::measure::{Cell, Latency, Measured, Selection, Series, Summary, Tag, Tally};
use crate::server::ServerSeries;
use crate::soak::{Drift, SoakSample};
use crate::threshold::Held;

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
    /// Scenarios that assert nothing; with one of them no load passes.
    #[serde(default)]
    pub unasserted: Vec<String>,
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
            cells: CellReport::all(measured),
            series: run.series.clone(),
            generator: run.generator.clone(),
            lag_histogram: run.lag.encode(),
            server,
            examples: measured.examples.clone().into_iter().collect(),
            unasserted: Vec::new(),
        }
    }
}

impl CellReport {
    /// Those of every phase and tag of which anything was measured.
    fn all(measured: &Measured) -> Vec<Self> {
        let mut cells = Vec::new();
        for phase in 0..measured.phases.len() {
            for tag in 0..measured.tags.len() {
                cells.extend(measured.cell(phase, tag).map(|cell| Self::new(phase, tag, cell)));
            }
        }
        cells
    }

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
