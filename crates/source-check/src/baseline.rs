//! The findings an old code base starts with: known ones are left out, new ones count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Report};

/// Known findings by fingerprint.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    version: u32,
    findings: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    rule: String,
    file: String,
    function: String,
}

impl Baseline {
    /// Takes all findings of a report as known.
    pub fn of(findings: &[Finding]) -> Self {
        let entry = |finding: &Finding| Entry {
            rule: finding.rule.id().to_owned(),
            file: finding.file.clone(),
            function: finding.function.clone(),
        };
        let findings = findings
            .iter()
            .map(|finding| (finding.fingerprint.clone(), entry(finding)))
            .collect();
        Self { version: 1, findings }
    }

    /// Reads a baseline; the error says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match baseline.version {
            1 => Ok(baseline),
            other => Err(format!(
                "version {other} is not known; write it anew with `--write-baseline`"
            )),
        }
    }

    /// The file's content.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Leaves the known findings out of a report and counts them.
    pub fn apply(&self, report: &mut Report) {
        let before = report.findings.len();
        report
            .findings
            .retain(|finding| !self.findings.contains_key(&finding.fingerprint));
        report.known = before - report.findings.len();
        report.gone = self.findings.len().saturating_sub(report.known);
    }
}
