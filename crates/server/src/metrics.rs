//! What the edge counts, without a lock on a request's way, and how `/metrics` shows it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{context::micros, request_log::RequestLog, spans::TraceSink};

/// Upper bounds of the latency buckets, in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];
/// Statuses with a counter of their own; others count as `other`.
const STATUSES: [u16; 30] = [
    101, 200, 201, 202, 204, 206, 302, 303, 304, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 412,
    413, 415, 422, 429, 431, 499, 500, 502, 503,
];

/// Counters of one route and method.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    method: String,
    route: &'static str,
    statuses: [AtomicU64; STATUSES.len() + 1],
    durations: Histogram,
}

/// Durations in fixed buckets, from 250 µs to 10 s.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, took: Duration) {
        let took = micros(took);
        self.buckets[BOUNDS.partition_point(|bound| *bound < took)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(took, Ordering::Relaxed);
    }

    /// Counts by bucket, the last one for everything above the bounds.
    fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed))
    }

    /// Writes the histogram under these labels; nothing if it is empty.
    pub(crate) fn encode(
        &self,
        metric: &mut MetricEncoder<'_>,
        labels: &[(&'static str, &str)],
    ) -> fmt::Result {
        let counts = self.counts();
        let total = counts.iter().sum();
        if total == 0 {
            return Ok(());
        }
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let sum = seconds(self.sum_micros.load(Ordering::Relaxed));
        metric
            .encode_family(&labels)?
            .encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }
}

impl RouteMetrics {
    fn new(method: String, route: &'static str) -> Self {
        Self {
            method,
            route,
            statuses: std::array::from_fn(|_| AtomicU64::new(0)),
            durations: Histogram::default(),
        }
    }

    fn count(&self, status: u16) {
        let status = STATUSES.binary_search(&status).unwrap_or(STATUSES.len());
        self.statuses[status].fetch_add(1, Ordering::Relaxed);
    }

    fn labels(&self) -> [(&'static str, &str); 2] {
        [("method", &self.method), ("route", self.route)]
    }
}

/// Everything the edge counts.
#[derive(Debug)]
pub struct Metrics {
    routes: Vec<RouteMetrics>,
    /// Requests refused by a rate limit.
    pub rate_limited: AtomicU64,
    /// Requests counted in this process because the shared limits were away.
    pub rate_limits_local: AtomicU64,
    /// Requests refused because no slot was free.
    pub saturated: AtomicU64,
    /// Large answers that left as they are because no thread was free to compress them.
    pub compression_skipped: AtomicU64,
    /// Handlers that panicked.
    pub panics: AtomicU64,
    /// Clients that left before the answer's head.
    pub clients_left: AtomicU64,
    /// Contexts open at this moment.
    pub open_contexts: AtomicI64,
    /// Connections open at this moment.
    pub connections: AtomicI64,
    /// Connections refused because too many were open.
    pub connections_refused: AtomicU64,
    losses: Losses,
}

/// Who knows what of the log and the traces was lost.
pub(crate) struct Losses {
    pub(crate) log: Option<RequestLog>,
    pub(crate) traces: Option<Arc<dyn TraceSink>>,
}

impl fmt::Debug for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Losses").finish_non_exhaustive()
    }
}

impl Losses {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let lines = self.log.as_ref().map_or(0, RequestLog::dropped);
        let help = "Lines of the log that found its queue full";
        let metric = encoder.encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?;
        ConstCounter::new(lines).encode(metric)?;
        let lost = self
            .traces
            .as_ref()
            .map(|traces| traces.lost())
            .unwrap_or_default();
        let help = "Spans that reached no collector, by where they were lost: a full queue, or the sending";
        let mut metric = encoder.encode_descriptor("trace_spans_lost", help, None, MetricType::Counter)?;
        for (place, count) in [("queue", lost.queue), ("sending", lost.sending)] {
            ConstCounter::new(count).encode(metric.encode_family(&[("at", place)])?)?;
        }
        Ok(())
    }
}

impl Metrics {
    /// Counters for these routes, plus one set for requests that match none.
    pub(crate) fn new(routes: impl Iterator<Item = (String, &'static str)>, losses: Losses) -> Self {
        let mut routes: Vec<_> = routes
            .map(|(method, route)| RouteMetrics::new(method, route))
            .collect();
        routes.push(RouteMetrics::new("other".to_owned(), "unmatched"));
        Self {
            routes,
            rate_limited: AtomicU64::new(0),
            rate_limits_local: AtomicU64::new(0),
            saturated: AtomicU64::new(0),
            compression_skipped: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            clients_left: AtomicU64::new(0),
            open_contexts: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            connections_refused: AtomicU64::new(0),
            losses,
        }
    }

    /// Counts an answered request; `None` stands for no route.
    pub(crate) fn record(&self, route: Option<usize>, status: u16, took: Duration) {
        if let Some(counters) = self.counters(route) {
            counters.count(status);
            counters.durations.record(took);
        }
    }

    /// Counts a request whose client left under this status. How long it stayed is no duration of an answer.
    pub(crate) fn record_left(&self, route: Option<usize>, status: u16) {
        self.clients_left.fetch_add(1, Ordering::Relaxed);
        if let Some(counters) = self.counters(route) {
            counters.count(status);
        }
    }

    fn counters(&self, route: Option<usize>) -> Option<&RouteMetrics> {
        self.routes.get(route.unwrap_or(self.routes.len() - 1))
    }

    /// Requests answered, and those of them answered with 500 or more.
    #[must_use]
    pub fn answered(&self) -> (u64, u64) {
        let mut sums = (0, 0);
        for route in &self.routes {
            for (index, count) in route.statuses.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                sums.0 += count;
                sums.1 += if STATUSES.get(index).is_some_and(|status| *status >= 500) {
                    count
                } else {
                    0
                };
            }
        }
        sums
    }

    /// The share of answers with 500 or more since the start, from 0 to 1.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        let (all, failed) = self.answered();
        seconds(failed) / seconds(all.max(1))
    }

    /// Upper bound in seconds of the bucket that holds this quantile of all durations; `None` above the last bound
    /// or before the first request.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let mut sums = [0; BOUNDS.len() + 1];
        for route in &self.routes {
            for (sum, count) in sums.iter_mut().zip(route.durations.counts()) {
                *sum += count;
            }
        }
        let wanted = seconds(sums.iter().sum()) * quantile;
        let mut seen = 0;
        let index = sums.iter().position(|count| {
            seen += count;
            seen > 0 && seconds(seen) >= wanted
        })?;
        BOUNDS.get(index).map(|bound| seconds(*bound))
    }

    /// What is counted one by one: its name, what it is, and the count.
    const fn counts(&self) -> [(&'static str, &'static str, &AtomicU64); 7] {
        [
            (
                "rate_limited",
                "Requests refused by a rate limit",
                &self.rate_limited,
            ),
            (
                "rate_limits_local",
                "Requests counted in this process because the shared limits were away",
                &self.rate_limits_local,
            ),
            (
                "http_saturated",
                "Requests refused because no slot was free",
                &self.saturated,
            ),
            (
                "http_compression_skipped",
                "Large answers left uncompressed because no thread was free",
                &self.compression_skipped,
            ),
            ("http_panics", "Handlers that panicked", &self.panics),
            (
                "http_clients_left",
                "Clients that left before their answer",
                &self.clients_left,
            ),
            (
                "http_connections_refused",
                "Connections over the limit",
                &self.connections_refused,
            ),
        ]
    }

    fn encode_requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests by method, matched pattern and status; 499: the client left before its answer";
        let mut metric = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for route in &self.routes {
            for (index, count) in route.statuses.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count == 0 {
                    continue;
                }
                let status = STATUSES
                    .get(index)
                    .map_or_else(|| "other".to_owned(), u16::to_string);
                let [method, pattern] = route.labels();
                let labels = [method, pattern, ("status", status.as_str())];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Seconds from receiving a request to the head of its answer";
        let name = "http_request_duration_seconds";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for route in &self.routes {
            route.durations.encode(&mut metric, &route.labels())?;
        }
        Ok(())
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a metric in seconds needs no more than 52 bits"
)]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// Shows the edge's counts in `/metrics`.
#[derive(Clone, Debug)]
pub struct EdgeCollector(pub Arc<Metrics>);

impl Collector for EdgeCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_requests(&mut encoder)?;
        self.encode_durations(&mut encoder)?;
        for (name, help, value) in self.counts() {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value.load(Ordering::Relaxed)).encode(metric)?;
        }
        self.losses.encode(&mut encoder)?;
        let help = "Share of answers with 500 or more since the start";
        let metric = encoder.encode_descriptor("error_rate", help, None, MetricType::Gauge)?;
        ConstGauge::new(self.error_rate()).encode(metric)?;
        let gauges = [
            ("http_open_contexts", "Requests being served", &self.open_contexts),
            ("http_connections", "Connections open", &self.connections),
        ];
        for (name, help, value) in gauges {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value.load(Ordering::Relaxed)).encode(metric)?;
        }
        Ok(())
    }
}
