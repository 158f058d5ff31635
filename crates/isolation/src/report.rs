//! What a run came to: verdict, findings with their proof, numbers, and what was not covered. As JSON and for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::exchange::Exchange;
use crate::net::Place;
use crate::principal::Principal;
use crate::rule::Rule;

/// The answer to "does anyone ever get what is somebody else's?"
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every declared operation was tried, and nothing came to somebody it was not for.
    Isolated,
    /// At least one finding was confirmed.
    Breached,
    /// Something was seen once and not again, or something declared could not be tried.
    Inconclusive,
}

impl Verdict {
    /// Exit code: 0, 1, 2.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Isolated => 0,
            Self::Breached => 1,
            Self::Inconclusive => 2,
        }
    }

    /// Word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Breached => "breached",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One request of a proof; credentials are left out.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// Who asked.
    pub who: String,
    /// Method and path.
    pub request: String,
    /// Body, at most 400 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer, at most 600 characters.
    pub answer: String,
}

/// One broken rule.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What `--replay` takes.
    pub id: String,
    /// The rule.
    pub rule: &'static str,
    /// What the rule says has happened.
    pub meaning: &'static str,
    /// What was seen.
    pub what: String,
    /// Who took part.
    pub principals: Vec<String>,
    /// The two or three requests that prove it.
    pub proof: Vec<Evidence>,
    /// The bytes that should not have been there, with where they stood.
    pub bytes: String,
    /// Times it was seen.
    pub seen: usize,
    /// Times it was seen again with fresh identities.
    pub confirmed: usize,
    /// Command that replays just it.
    pub replay: String,
}

/// A rule with the number of times it was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Power {
    /// The rule.
    pub rule: &'static str,
    /// Probes.
    pub probes: u64,
    /// Smallest share of leaking answers that this many probes find with 95 % confidence.
    pub smallest_rate: f64,
}

/// Everything a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// Base URL.
    pub target: String,
    /// Version of this tool.
    pub version: &'static str,
    /// Seed; the same seed and the same service give the same requests.
    pub seed: u64,
    /// Confirmed findings.
    pub findings: Vec<Finding>,
    /// Seen, and not again.
    pub suspicions: Vec<Finding>,
    /// Declared, and not covered: check and reason.
    pub uncovered: BTreeMap<String, String>,
    /// Rules that the policy waives, with the reason.
    pub waived: BTreeMap<String, String>,
    /// Worth knowing, and no finding.
    pub notes: Vec<String>,
    /// What the run made and could not remove: how many of what, and why.
    pub left: BTreeMap<String, u64>,
    /// Number of principals.
    pub principals: usize,
    /// Number of objects made, whose ids were replayed.
    pub ids: u64,
    /// Number of probes.
    pub replays: u64,
    /// Number of answered requests.
    pub requests: u64,
    /// Number of 5xx and 429 answers and of requests without an answer; not judged, and tried again unless without an answer
    /// it may have been done.
    pub trouble: u64,
    /// Bytes scanned.
    pub bytes_scanned: u64,
    /// Probes and power by rule.
    pub power: Vec<Power>,
    /// Seconds the run took.
    pub seconds: f64,
    /// Seconds of it for the self-test.
    pub self_test_seconds: f64,
    /// Seconds of it for the rounds, in which one thing is done after the other.
    pub rounds_seconds: f64,
}

/// Smallest rate at which `probes` independent probes find a leak with 95 % confidence: the solution of (1 - r)^n = 0.05.
pub fn smallest_rate(probes: u64) -> f64 {
    if probes == 0 {
        1.0
    } else {
        1.0 - 0.05_f64.powf(1.0 / probes as f64)
    }
}

/// Power of each rule that was probed.
pub fn power(probes: &BTreeMap<Rule, u64>) -> Vec<Power> {
    probes
        .iter()
        .map(|(rule, probes)| Power {
            rule: rule.id(),
            probes: *probes,
            smallest_rate: smallest_rate(*probes),
        })
        .collect()
}

/// Shows an exchange without its credentials.
pub fn evidence(people: &[Principal], place: &Place, exchange: &Exchange) -> Evidence {
    let via = match exchange.request.address {
        0 => String::new(),
        other => format!(" via {}", place.url(other, "")),
    };
    let cut = |bytes: &[u8], most: usize| {
        String::from_utf8_lossy(bytes)
            .chars()
            .take(most)
            .collect::<String>()
    };
    Evidence {
        who: exchange
            .who
            .map_or("nobody".to_owned(), |who| people[who].name.clone()),
        request: format!("{} {}{via}", exchange.request.method, exchange.request.path),
        body: redact(&cut(&exchange.request.body, 400)),
        status: exchange.answer.status,
        answer: redact(&cut(&exchange.answer.body, 600)),
    }
}

/// Hides the values of JSON fields that hold credentials.
fn redact(text: &str) -> String {
    let Ok(pattern) = regex::Regex::new(
        r#"("(?:password|token|access_token|refresh_token|session_id|secret|api_key)"\s*:\s*")[^"]*""#,
    ) else {
        return String::new();
    };
    pattern.replace_all(text, "$1***\"").into_owned()
}

impl Report {
    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "{}: {}", self.verdict.word(), self.target)?;
        for finding in &self.findings {
            writeln!(out)?;
            finding.write_text(out, "BREACH")?;
        }
        for finding in &self.suspicions {
            writeln!(out)?;
            finding.write_text(out, "SEEN ONCE")?;
        }
        if !self.uncovered.is_empty() {
            writeln!(out, "\nnot covered:")?;
            for (check, reason) in &self.uncovered {
                writeln!(out, "  {check}: {reason}")?;
            }
        }
        for (rule, reason) in &self.waived {
            writeln!(out, "waived: {rule}: {reason}")?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        for (what, number) in &self.left {
            writeln!(out, "left behind: {number} {what}")?;
        }
        self.write_numbers(out)
    }

    /// How much was done, and how small a leak would have been found.
    fn write_numbers(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\n{} principals, {} objects, {} probes, {} requests ({} in trouble, tried again), {} bytes scanned, seed {}, {:.1} s (self-test {:.1} s, rounds {:.1} s)",
            self.principals,
            self.ids,
            self.replays,
            self.requests,
            self.trouble,
            self.bytes_scanned,
            self.seed,
            self.seconds,
            self.self_test_seconds,
            self.rounds_seconds
        )?;
        if let Some(weakest) = self
            .power
            .iter()
            .max_by(|a, b| a.smallest_rate.total_cmp(&b.smallest_rate))
        {
            writeln!(
                out,
                "smallest leak rate found with 95 % confidence: {:.2} % over all probes together, {:.0} % for the rule with the fewest ({}, {} probes)",
                100.0 * smallest_rate(self.replays),
                100.0 * weakest.smallest_rate,
                weakest.rule,
                weakest.probes
            )?;
        }
        Ok(())
    }
}

impl Finding {
    fn write_text(&self, out: &mut String, word: &str) -> std::fmt::Result {
        writeln!(out, "{word} {}: {}", self.rule, self.meaning)?;
        writeln!(out, "  {}", self.what)?;
        writeln!(
            out,
            "  between {}; seen {} times, {} times again with fresh identities",
            self.principals.join(", "),
            self.seen,
            self.confirmed
        )?;
        for evidence in &self.proof {
            writeln!(
                out,
                "  {}: {} -> {}",
                evidence.who, evidence.request, evidence.status
            )?;
            if !evidence.body.is_empty() {
                writeln!(out, "      sent {}", one_line(&evidence.body))?;
            }
            writeln!(out, "      got  {}", one_line(&evidence.answer))?;
        }
        writeln!(out, "  bytes: {}", one_line(&self.bytes))?;
        writeln!(out, "  again: {}", self.replay)
    }
}

/// One line of at most 200 characters, without control characters.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_rate_is_found_with_95_percent() {
        assert!((smallest_rate(299) - 0.01).abs() < 0.0001);
        assert!((smallest_rate(1) - 0.95).abs() < 1e-9);
        assert_eq!(smallest_rate(0), 1.0);
    }

    #[test]
    fn credentials_are_not_shown() {
        assert_eq!(
            redact(r#"{"token": "abc", "x": 1}"#),
            r#"{"token": "***", "x": 1}"#
        );
    }
}
