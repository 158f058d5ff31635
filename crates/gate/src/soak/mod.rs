//! Hours to days of light load with load steps on schedule; drift by robust slopes, survival of its own restart.

mod drift;
mod run;
mod state;

pub use drift::{Drift, judge_drift, theil_sen};
pub use run::{Segment, SoakPlan, Soaked, run};
pub use state::{SoakSample, State, StateError};
