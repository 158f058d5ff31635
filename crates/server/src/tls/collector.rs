//! The certificate's figures in `/metrics`.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::Certificates;

/// Shows when the certificate in force ends, and what became of new ones.
#[derive(Debug)]
pub struct TlsCollector(pub Arc<Certificates>);

impl Collector for TlsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ends = self.0.latest.borrow().ends;
        if let Some(ends) = ends {
            let help = "When the certificate in force ends, in seconds since 1970";
            let name = "tls_certificate_expires_seconds";
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(ends.secs()).encode(metric)?;
        }
        for (name, help, count) in [
            (
                "tls_certificate_renewals",
                "Times that a new certificate was put in force",
                &self.0.renewed,
            ),
            (
                "tls_certificate_failures",
                "Looks at the certificate's files that found something new and unusable, or could not read them",
                &self.0.failed,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count.load(Ordering::Relaxed)).encode(metric)?;
        }
        Ok(())
    }
}
