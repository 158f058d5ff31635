//! What the process uses of the machine, as `/proc` tells; nothing on systems without it.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// A reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Bytes of memory in use.
    pub resident_bytes: i64,
    /// Processor time used since the start, in seconds.
    pub cpu_seconds: f64,
    /// Open files and sockets.
    pub open_fds: i64,
    /// Threads.
    pub threads: i64,
}

/// Clock ticks a second in `/proc/self/stat`: fixed at 100 by Linux's ABI (proc(5), `USER_HZ`).
const TICKS: f64 = 100.0;

/// Reads what the process uses now. Files of `/proc` are memory, not disk: reading them does not block.
#[must_use]
pub fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<i64>().ok());
        number.unwrap_or(0)
    };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // Fields 14 and 15 of the line, user and system time; the first after the name is number 3.
    let ticks: f64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Usage {
        resident_bytes: field("VmRSS:") * 1024,
        cpu_seconds: ticks / TICKS,
        open_fds: i64::try_from(files).unwrap_or(i64::MAX),
        threads: field("Threads:"),
    }
}

/// Shows the usage in `/metrics`.
#[derive(Clone, Copy, Debug)]
pub struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let usage = usage();
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Memory in use",
                usage.resident_bytes,
            ),
            ("process_open_fds", "Open files and sockets", usage.open_fds),
            ("process_threads", "Threads", usage.threads),
        ];
        for (name, help, value) in gauges {
            ConstGauge::new(value).encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Gauge,
            )?)?;
        }
        let help = "Processor time used, in seconds";
        let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(usage.cpu_seconds).encode(metric)
    }
}
