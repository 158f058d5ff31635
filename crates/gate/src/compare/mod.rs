//! Baseline against candidate: short slices in random order, paired log-ratios, exact intervals, a noise floor taken in
//! the same run, and change points over a history. Why not the usual tests: see `docs/load-model.md`.

mod decide;
mod live;
mod recorded;
mod stats;
mod table;
mod trend;

pub use decide::{Answer, FigureAnswer, Rules, decide};
pub use live::{ComparePlan, Side, conclude, run};
pub use recorded::rounds_of;
pub use stats::median_interval;
pub(crate) use table::show_figure;
pub use table::{HEAD, TableRow, before_after, table};
pub use trend::change_points;

use crate::measure::Cell;

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

impl Slice {
    /// The figures of everything that was asked in a slice of this length.
    pub fn of(all: &Cell, seconds: f64) -> Self {
        let total = all.tally.total();
        let mut figures = std::collections::BTreeMap::new();
        for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            // A percentile needs ten values beyond it to mean anything.
            if (1.0 - share) * total as f64 >= 9.0 {
                figures.extend(all.latency.quantile(share).map(|value| (name, value)));
            }
        }
        if let Some(latency) = all.latency.summary() {
            figures.extend([("min", latency.min), ("mean", latency.mean), ("max", latency.max)]);
        }
        figures.insert("rate", all.tally.ok as f64 / seconds.max(1e-9));
        Self {
            total,
            errors: total - all.tally.ok,
            figures,
        }
    }
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
