//! The counts of one kind of request in one phase: asserted ok, asserted not ok, no answer; never one "success".

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Latency;

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No connection could be opened.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// Nothing, or not all, came within the time-out.
    Timeout,
    /// The connection was closed before the answer was complete.
    Closed,
    /// What came was not HTTP.
    Protocol,
    /// The body went over the limit.
    BodyTooLarge,
    /// It was due, but so many earlier ones were still unanswered that it was never sent.
    Overload,
    /// The run ended before an answer came.
    Unfinished,
    /// Anything else, for instance a capture of the previous answer that was missing.
    Other,
}

impl Reason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Closed,
        Self::Protocol,
        Self::BodyTooLarge,
        Self::Overload,
        Self::Unfinished,
        Self::Other,
    ];

    /// The words used in reports.
    pub fn words(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Tls => "TLS handshake failed",
            Self::Timeout => "timed out",
            Self::Closed => "connection closed",
            Self::Protocol => "not HTTP",
            Self::BodyTooLarge => "body too large",
            Self::Overload => "never sent: too many unanswered",
            Self::Unfinished => "unanswered when the run ended",
            Self::Other => "other",
        }
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answered, and everything asserted about the answer held.
    Ok,
    /// Answered, and something asserted did not hold.
    NotOk,
    /// Not answered.
    None(Reason),
}

/// The three counts, the statuses and the bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Answered as asserted.
    pub ok: u64,
    /// Answered, but not as asserted.
    pub not_ok: u64,
    /// Not answered, by reason.
    pub no_answer: BTreeMap<Reason, u64>,
    /// Answers by HTTP status.
    pub status: BTreeMap<u16, u64>,
    /// Bytes of answers received.
    pub bytes: u64,
}

impl Tally {
    /// Counts one request; `status` is 0 if none was received.
    pub fn count(&mut self, answer: Answer, status: u16, bytes: u64) {
        match answer {
            Answer::Ok => self.ok += 1,
            Answer::NotOk => self.not_ok += 1,
            Answer::None(reason) => *self.no_answer.entry(reason).or_default() += 1,
        }
        if status != 0 {
            *self.status.entry(status).or_default() += 1;
        }
        self.bytes += bytes;
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.not_ok += other.not_ok;
        self.bytes += other.bytes;
        for (reason, count) in &other.no_answer {
            *self.no_answer.entry(*reason).or_default() += count;
        }
        for (status, count) in &other.status {
            *self.status.entry(*status).or_default() += count;
        }
    }

    /// Requests that got no answer.
    pub fn unanswered(&self) -> u64 {
        self.no_answer.values().sum()
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.ok + self.not_ok + self.unanswered()
    }

    /// Share of requests that were not answered as asserted; `None` if there were no requests.
    pub fn error_rate(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| (total - self.ok) as f64 / total as f64)
    }
}

/// Counts and latencies of one kind of request in one phase.
///
/// The histogram holds every answered request and every one that timed out (at the time it was given up), so that a
/// server that stops answering cannot look fast. Requests that failed otherwise are counted but not timed: a refused
/// connection is quick and would flatter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Counts.
    pub tally: Tally,
    /// Latencies.
    pub latency: Latency,
}

impl Cell {
    /// Counts one request.
    pub fn record(&mut self, answer: Answer, status: u16, bytes: u64, micros: u64) {
        self.tally.count(answer, status, bytes);
        if matches!(
            answer,
            Answer::Ok | Answer::NotOk | Answer::None(Reason::Timeout | Reason::Unfinished)
        ) {
            self.latency.record(micros);
        }
    }

    /// Adds everything `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.latency.merge(&other.latency);
    }

    /// Forgets everything, keeping the memory of the histogram.
    pub fn clear(&mut self) {
        self.tally = Tally::default();
        self.latency.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_counts_as_slow_and_a_refusal_is_not_timed() {
        let mut cell = Cell::default();
        cell.record(Answer::Ok, 200, 10, 1000);
        cell.record(Answer::None(Reason::Timeout), 0, 0, 5_000_000);
        cell.record(Answer::None(Reason::Connect), 0, 0, 5);
        assert_eq!(cell.latency.count(), 2);
        assert!(cell.latency.max().unwrap() > 4.9);
        assert!(cell.latency.min().unwrap() > 0.0009);
        assert_eq!(
            (cell.tally.ok, cell.tally.unanswered(), cell.tally.total()),
            (1, 2, 3)
        );
        assert_eq!(cell.tally.error_rate(), Some(2.0 / 3.0));
    }

    #[test]
    fn without_requests_there_is_no_error_rate() {
        assert_eq!(Tally::default().error_rate(), None);
    }
}
