//! What the database layer reports, as metrics, and the slow-query log.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use db::{Observer, PoolStats};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::metrics::Histogram;

type Pool = Box<dyn Fn() -> PoolStats + Send + Sync>;

/// Hears the database layer. Query names and pools are closed sets, so the maps are bounded.
pub struct DatabaseMetrics {
    queries: DashMap<&'static str, Histogram>,
    failed: AtomicU64,
    pool: OnceLock<Pool>,
    slow: Duration,
}

impl DatabaseMetrics {
    /// Logs statements that take at least `slow`.
    #[must_use]
    pub fn new(slow: Duration) -> Self {
        Self {
            queries: DashMap::new(),
            failed: AtomicU64::new(0),
            pool: OnceLock::new(),
            slow,
        }
    }

    /// Says where the pool's figures come from, once the database is open. A second call changes nothing.
    pub fn watch(&self, pool: impl Fn() -> PoolStats + Send + Sync + 'static) {
        let _ = self.pool.set(Box::new(pool));
    }

    /// The pool's figures; `None` before [`Self::watch`].
    #[must_use]
    pub fn pool(&self) -> Option<PoolStats> {
        self.pool.get().map(|read| read())
    }
}

impl fmt::Debug for DatabaseMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseMetrics").finish_non_exhaustive()
    }
}

impl Observer for DatabaseMetrics {
    fn query(&self, name: &'static str, took: Duration, ok: bool) {
        match self.queries.get(name) {
            Some(known) => known.record(took),
            None => self.queries.entry(name).or_default().record(took),
        }
        if !ok {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        if took >= self.slow {
            tracing::warn!(query = name, duration_ms = took.as_millis(), ok, "slow query");
        }
    }

    fn waited(&self, pool: &'static str, took: Duration, ok: bool) {
        if !ok {
            tracing::warn!(pool, wait_ms = took.as_millis(), "no connection became free");
        }
    }
}

/// Shows the figures in `/metrics`.
#[derive(Clone, Debug)]
pub struct DatabaseCollector(pub std::sync::Arc<DatabaseMetrics>);

impl Collector for DatabaseCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Seconds of a statement, or of a batch under the name of its first";
        let name = "database_query_duration_seconds";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for entry in &self.0.queries {
            entry.value().encode(&mut metric, &[("query", *entry.key())])?;
        }
        let help = "Statements that failed";
        let metric = encoder.encode_descriptor("database_failed_queries", help, None, MetricType::Counter)?;
        ConstCounter::new(self.0.failed.load(Ordering::Relaxed)).encode(metric)?;
        self.0
            .pool()
            .map_or(Ok(()), |stats| encode_pool(&stats, &mut encoder))
    }
}

fn encode_pool(stats: &PoolStats, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let gauge = |value: usize| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let help = "Connections, or SQLite threads, by state";
    let mut metric = encoder.encode_descriptor("database_connections", help, None, MetricType::Gauge)?;
    for (state, value) in [
        ("size", stats.size),
        ("active", stats.active),
        ("idle", stats.idle),
    ] {
        gauge(value).encode(metric.encode_family(&[("state", state)])?)?;
    }
    let help = "Callers in the queue for a connection";
    gauge(stats.queued).encode(encoder.encode_descriptor(
        "database_pool_queue",
        help,
        None,
        MetricType::Gauge,
    )?)?;
    let help = "Callers that had to wait for a connection";
    let metric = encoder.encode_descriptor("database_pool_waits", help, None, MetricType::Counter)?;
    ConstCounter::new(stats.waits).encode(metric)?;
    let help = "Seconds that callers waited for a connection";
    let metric = encoder.encode_descriptor("database_pool_wait_seconds", help, None, MetricType::Counter)?;
    ConstCounter::new(stats.wait_time.as_secs_f64()).encode(metric)
}
