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
use db::{Db, Observer, PoolStats, ReplicaStats};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::metrics::Histogram;

/// Hears the database layer. Query names and pools are closed sets, so the maps are bounded.
pub struct DatabaseMetrics {
    queries: DashMap<&'static str, Histogram>,
    failed: AtomicU64,
    db: OnceLock<Db>,
    slow: Duration,
}

impl DatabaseMetrics {
    /// Logs statements that take at least `slow`.
    #[must_use]
    pub fn new(slow: Duration) -> Self {
        Self {
            queries: DashMap::new(),
            failed: AtomicU64::new(0),
            db: OnceLock::new(),
            slow,
        }
    }

    /// Says whose pools to show, once the database is open. A second call changes nothing.
    pub fn watch(&self, db: Db) {
        let _ = self.db.set(db);
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
        let Some(db) = self.0.db.get() else { return Ok(()) };
        encode_pools(&db.stats(), &mut encoder)?;
        db.replica_stats()
            .map_or(Ok(()), |stats| encode_replica(&stats, &mut encoder))
    }
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// `pool` is `app`, `system` or `replica`, on SQLite `read` or `write`.
fn encode_pools(pools: &[PoolStats], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Connections, or SQLite threads, by pool and state";
    let mut metric = encoder.encode_descriptor("database_connections", help, None, MetricType::Gauge)?;
    for one in pools {
        for (state, value) in [("size", one.size), ("active", one.active), ("idle", one.idle)] {
            gauge(value).encode(metric.encode_family(&[("pool", one.pool), ("state", state)])?)?;
        }
    }
    let help = "Callers in the queue for a connection";
    let mut metric = encoder.encode_descriptor("database_pool_queue", help, None, MetricType::Gauge)?;
    for one in pools {
        gauge(one.queued).encode(metric.encode_family(&[("pool", one.pool)])?)?;
    }
    let help = "Callers that had to wait for a connection";
    let mut metric = encoder.encode_descriptor("database_pool_waits", help, None, MetricType::Counter)?;
    for one in pools {
        ConstCounter::new(one.waits).encode(metric.encode_family(&[("pool", one.pool)])?)?;
    }
    let help = "Seconds that callers waited for a connection";
    let mut metric =
        encoder.encode_descriptor("database_pool_wait_seconds", help, None, MetricType::Counter)?;
    for one in pools {
        let seconds = one.wait_time.as_secs_f64();
        ConstCounter::new(seconds).encode(metric.encode_family(&[("pool", one.pool)])?)?;
    }
    Ok(())
}

fn encode_replica(stats: &ReplicaStats, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "1 while the replica serves reads, 0 while it is lost or too far behind";
    let metric = encoder.encode_descriptor("database_replica_usable", help, None, MetricType::Gauge)?;
    gauge(usize::from(stats.usable)).encode(metric)?;
    let help = "Bytes of the primary's log that the replica had not replayed at the last look";
    let metric = encoder.encode_descriptor("database_replica_lag_bytes", help, None, MetricType::Gauge)?;
    gauge(usize::try_from(stats.lag_bytes).unwrap_or(usize::MAX)).encode(metric)?;
    let help = "Reads that may come from the replica, by the server that answered";
    let mut metric = encoder.encode_descriptor("database_replica_reads", help, None, MetricType::Counter)?;
    for (server, value) in [("replica", stats.reads), ("primary", stats.passed_on)] {
        ConstCounter::new(value).encode(metric.encode_family(&[("server", server)])?)?;
    }
    Ok(())
}
