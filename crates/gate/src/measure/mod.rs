//! What a run measured: latency histograms, three counts, a bounded time series. No statistics and no thresholds.

mod cell;
mod latency;
mod measured;
mod recorder;
mod series;

pub use cell::{Answer, Cell, Reason, Tally};
pub use latency::{BadHistogram, Latency, Summary};
pub use measured::{Measured, Selection, Tag, TagKind};
pub use recorder::{Recorder, Sample, Sink};
pub use series::{Point, Series};
