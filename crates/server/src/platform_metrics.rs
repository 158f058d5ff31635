//! What the platform shows in `/metrics` besides the edge's and the database's own counts.
//!
//! Labels come from closed sets. Figures that only the database knows are read by a worker every few seconds; reading
//! the metrics asks nothing of the database.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use app::App;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::isolation::Isolation;

/// Shows the platform's figures in `/metrics`.
#[derive(Clone)]
pub struct PlatformCollector {
    /// The use cases.
    pub app: App,
    /// The evidence that requests are kept apart.
    pub isolation: Arc<Isolation>,
    /// Whether the outgoing guard looks at answers.
    pub guarded: bool,
}

impl fmt::Debug for PlatformCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformCollector").finish_non_exhaustive()
    }
}

/// Writes metrics of one kind.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(metric)
    }

    fn gauges(&mut self, name: &str, help: &str, label: &'static str, values: &[(&str, f64)]) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (word, value) in values {
            ConstGauge::new(*value).encode(metric.encode_family(&[(label, *word)])?)?;
        }
        Ok(())
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&str, u64)],
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (word, value) in values {
            ConstCounter::new(*value).encode(metric.encode_family(&[(label, *word)])?)?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge needs no more than 52 bits")]
fn float(value: impl TryInto<u64>) -> f64 {
    value.try_into().unwrap_or_default() as f64
}

impl Collector for PlatformCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        self.queues(&mut out)?;
        self.work(&mut out)?;
        self.isolation(&mut out)?;
        self.refusals(&mut out)
    }
}

impl PlatformCollector {
    fn queues(&self, out: &mut Out<'_>) -> fmt::Result {
        let used = self.isolation.in_use();
        out.gauge(
            "http_slots_in_use",
            "Requests that hold a slot of the fair queue",
            float(used.slots),
        )?;
        out.gauge(
            "http_slot_callers",
            "Callers that hold or await a slot",
            float(used.callers),
        )?;
        let passwords = self.app.identity().passwords_waiting();
        let depths = [
            ("http_slots", float(used.waiting)),
            ("passwords", float(passwords)),
            ("refusals", float(self.app.refusal_stats().waiting)),
        ];
        out.gauges("queue_depth", "Entries that wait, by queue", "queue", &depths)?;
        let (hits, misses) = self.app.workspace_cache();
        let ratio = float(hits) / float((hits + misses).max(1));
        let help = "Share of reads that the cache answered since the start";
        out.gauges("cache_hit_ratio", help, "cache", &[("workspace_facts", ratio)])
    }

    fn work(&self, out: &mut Out<'_>) -> fmt::Result {
        let figures = self.app.figures();
        let outbox = figures.outbox.map(|(state, count)| (state, float(count)));
        out.gauges(
            "outbox_entries",
            "Work in the outbox of the deployment, by state",
            "state",
            &outbox,
        )?;
        let help = "Age of the oldest work that waits in the outbox";
        out.gauge("outbox_oldest_age_seconds", help, figures.outbox_age_seconds)?;
        let jobs = figures.jobs.map(|(state, count)| (state, float(count)));
        out.gauges("jobs", "Jobs of the deployment, by state", "state", &jobs)
    }

    fn isolation(&self, out: &mut Out<'_>) -> fmt::Result {
        let (isolation, read) = (&self.isolation, Ordering::Relaxed);
        let help = "Answers withheld because they held another tenant's data";
        out.counter("isolation_violations", help, isolation.violations.load(read))?;
        let help = "1 where the outgoing guard looks at answers";
        out.gauge("isolation_guard_enabled", help, float(u64::from(self.guarded)))?;
        let help = "Answers the outgoing guard looked at";
        out.counter("isolation_guard_checks", help, isolation.guarded.load(read))?;
        let help = "Contexts that somebody holds long after their request";
        out.gauge("isolation_leaked_contexts", help, float(isolation.leaked().len()))
    }

    fn refusals(&self, out: &mut Out<'_>) -> fmt::Result {
        let stats = self.app.refusal_stats();
        let noted = stats.noted.map(|(what, count)| (what.action(), count));
        out.counters(
            "refusals",
            "Attempts that were refused, by what was tried",
            "action",
            &noted,
        )?;
        let help = "Refused attempts that reached no audit trail: too many workspaces had some at once";
        out.counter("refusals_unaudited", help, stats.dropped)?;
        out.counter(
            "incidents_opened",
            "Security incidents opened",
            self.app.incidents_opened(),
        )
    }
}
