//! Baseline against candidate: short slices in random order, paired log-ratios, exact intervals, a noise floor taken in
//! the same run, and change points over a history. Why not the usual tests: see `docs/load-model.md`.

mod decide;
mod live;
mod recorded;
mod stats;
mod trend;

pub use decide::{Answer, FigureAnswer, Rules, decide};
pub use live::{ComparePlan, Side, conclude, run};
pub(crate) use recorded::show_figure;
pub use recorded::{rounds_of, table};
pub use stats::median_interval;
pub use trend::change_points;

/// What one slice measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// Requests of all outcomes.
    pub total: u64,
    /// Requests not answered as asserted.
    pub errors: u64,
    /// Named figures: latencies in seconds, `rate` per second, `cpu` in seconds a request, `memory` in bytes.
    pub figures: std::collections::BTreeMap<&'static str, f64>,
}

/// Three slices taken close together, in random order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// The baseline.
    pub base: Slice,
    /// The candidate.
    pub candidate: Slice,
    /// The baseline again: what differs between it and `base` is noise.
    pub again: Slice,
}
