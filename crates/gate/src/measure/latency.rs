//! A latency histogram: microseconds, three significant digits, exact merging, a printable form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest latency told apart from longer ones: ten minutes, in microseconds. Longer ones count as this.
const LONGEST_US: u64 = 600_000_000;
/// Significant decimal digits: a value is off by at most one part in a thousand.
const DIGITS: u8 = 3;

/// A histogram of latencies whose memory does not depend on how many are recorded (about 170 KiB).
#[derive(Clone, Debug, PartialEq)]
pub struct Latency(Histogram<u64>);

/// Why a printed histogram could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum BadHistogram {
    /// The text is not base64.
    #[error("the histogram is not base64")]
    Base64(#[source] base64::DecodeError),
    /// The bytes are not an HdrHistogram V2 block.
    #[error("the histogram is not in the HdrHistogram V2 format: {0}")]
    Format(String),
}

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("constant bounds are valid"))
    }
}

impl Latency {
    /// Adds one latency in microseconds; more than ten minutes count as ten minutes.
    pub fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros);
    }

    /// Adds everything `other` has seen; nothing is lost.
    pub fn merge(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("all histograms here have the same bounds");
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Number of latencies recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency in seconds at or below which `share` (0 to 1) of all lie; `None` if there are none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| seconds(self.0.value_at_quantile(share)))
    }

    /// Arithmetic mean in seconds; `None` if there are none.
    pub fn mean(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.mean() / 1e6)
    }

    /// Shortest latency in seconds; `None` if there are none.
    pub fn min(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| seconds(self.0.min()))
    }

    /// Longest latency in seconds; `None` if there are none.
    pub fn max(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| seconds(self.0.max()))
    }

    /// The usual figures in one row.
    pub fn summary(&self) -> Option<Summary> {
        Some(Summary {
            count: self.count(),
            min: self.min()?,
            mean: self.mean()?,
            p50: self.quantile(0.5)?,
            p75: self.quantile(0.75)?,
            p90: self.quantile(0.9)?,
            p95: self.quantile(0.95)?,
            p99: self.quantile(0.99)?,
            p999: self.quantile(0.999)?,
            max: self.max()?,
        })
    }

    /// The whole histogram as base64 of a compressed HdrHistogram V2 block, which other tools read too.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("writing to memory cannot fail");
        STANDARD.encode(bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(text: &str) -> Result<Self, BadHistogram> {
        let bytes = STANDARD.decode(text).map_err(BadHistogram::Base64)?;
        let read: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| BadHistogram::Format(error.to_string()))?;
        let mut latency = Self::default();
        latency
            .0
            .add(&read)
            .map_err(|error| BadHistogram::Format(error.to_string()))?;
        Ok(latency)
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The figures of a histogram that tables show, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Number of latencies.
    pub count: u64,
    /// Shortest.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 75th percentile.
    pub p75: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Longest.
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_exact_and_survives_printing() {
        let (mut left, mut right, mut both) = (Latency::default(), Latency::default(), Latency::default());
        for value in 1..=10_000u64 {
            let side = if value % 3 == 0 { &mut left } else { &mut right };
            side.record(value * 37);
            both.record(value * 37);
        }
        let mut joined = Latency::decode(&left.encode()).unwrap();
        joined.merge(&Latency::decode(&right.encode()).unwrap());
        assert_eq!(joined, both);
        let median = joined.quantile(0.5).unwrap();
        assert!((median / (5000.0 * 37e-6) - 1.0).abs() < 0.001, "{median}");
    }

    #[test]
    fn an_empty_histogram_has_no_figures() {
        assert_eq!(Latency::default().quantile(0.5), None);
        assert_eq!(Latency::default().summary(), None);
    }

    #[test]
    fn what_is_longer_than_the_scale_counts_as_its_end() {
        let mut latency = Latency::default();
        latency.record(u64::MAX);
        assert!((latency.max().unwrap() / 600.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_damaged_histogram_is_refused() {
        assert!(Latency::decode("***").is_err());
        assert!(Latency::decode("AAAA").is_err());
    }
}
