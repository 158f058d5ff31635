//! The state file: how far a soak has come and everything measured so far, replaced as a whole so that it is never torn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{BadHistogram, Cell, Latency, Tally};

/// One sample of a soak.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SoakSample {
    /// Seconds of the plan (not of the compressed run).
    pub at: f64,
    /// Users at that time.
    pub users: usize,
    /// True in the light stretches between load steps, from which drift is taken.
    pub light: bool,
    /// Median latency in seconds.
    pub p50: Option<f64>,
    /// 99th percentile in seconds.
    pub p99: Option<f64>,
    /// Requests per second.
    pub rate: f64,
    /// Requests not answered as asserted.
    pub errors: u64,
    /// Figures of the server.
    pub server: BTreeMap<String, f64>,
}

/// Everything needed to go on after a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the plan was; a state of another plan is refused.
    pub plan: String,
    /// Seconds of the plan that are done.
    pub done: f64,
    /// Times it was taken up again.
    pub resumed: u32,
    /// Samples so far.
    pub samples: Vec<SoakSample>,
    /// Counts so far.
    pub tally: Tally,
    /// Latencies so far.
    pub histogram: String,
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("state file {path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a state file.
    #[error("state file {path} is damaged: {reason}; remove it to begin anew", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It belongs to another plan.
    #[error("state file {path} belongs to another plan; remove it, or repeat the arguments it was begun with", path = .path.display())]
    OtherPlan {
        /// The file.
        path: PathBuf,
    },
}

impl State {
    /// A fresh state, or the one in the file; a file of another plan is an error.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn load(path: &Path, plan: &str) -> Result<Self, StateError> {
        // farmgate: allow(blocking-fs) because a few kilobytes between two steps of a soak, when nothing is being timed
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self {
                    plan: plan.to_owned(),
                    histogram: Latency::default().encode(),
                    ..Self::default()
                });
            }
            Err(source) => {
                return Err(StateError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let mut state: Self = serde_json::from_str(&text).map_err(|e| StateError::Damaged {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        if state.plan != plan {
            return Err(StateError::OtherPlan {
                path: path.to_owned(),
            });
        }
        state.resumed += 1;
        Ok(state)
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        let failed = |source| StateError::Io {
            path: path.to_owned(),
            source,
        };
        let text = serde_json::to_string(self).map_err(|e| failed(e.into()))?;
        let beside = path.with_extension("new");
        // farmgate: allow(blocking-fs) because a few kilobytes between two steps of a soak, when nothing is being timed
        std::fs::write(&beside, text).map_err(failed)?;
        // farmgate: allow(blocking-fs) because a few kilobytes between two steps of a soak, when nothing is being timed
        std::fs::rename(&beside, path).map_err(failed)
    }

    /// Adds what a stretch measured.
    ///
    /// # Errors
    /// If the stored histogram is damaged.
    pub fn add(&mut self, cell: &Cell) -> Result<(), BadHistogram> {
        let mut latency = Latency::decode(&self.histogram)?;
        latency.merge(&cell.latency);
        self.histogram = latency.encode();
        self.tally.merge(&cell.tally);
        Ok(())
    }
}
