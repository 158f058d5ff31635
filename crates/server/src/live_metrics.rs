//! The live channel's figures in `/metrics`.

use std::{fmt, sync::Arc};

use app::live::Hub;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

/// Shows what the hub counts.
pub struct LiveCollector(pub Arc<Hub>);

impl fmt::Debug for LiveCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveCollector").field(&self.0.stats()).finish()
    }
}

impl Collector for LiveCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        for (name, help, value) in [
            ("live_connections", "Live connections open", stats.connections),
            (
                "live_workspaces",
                "Workspaces that somebody listens to",
                stats.workspaces,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        for (name, help, value) in [
            (
                "live_lost_messages",
                "Messages that slow listeners lost",
                stats.lost,
            ),
            (
                "live_revoked_connections",
                "Live connections closed because their right had ended",
                stats.revoked,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        Ok(())
    }
}
