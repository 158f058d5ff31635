//! A report as text for people, as JSON and as SARIF, and the recipes for CI.

mod people;
mod sarif;

use serde::Serialize;

pub use people::people;
pub use sarif::sarif;

use crate::finding::{Report, Verdict};

/// The report as JSON: `{"version", "verdict", "files", "lines", "unread", "findings", "known", "gone"}`.
pub fn json(report: &Report) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        version: u32,
        verdict: Verdict,
        #[serde(flatten)]
        report: &'a Report,
    }
    let document = Document {
        version: 1,
        verdict: report.verdict(),
        report,
    };
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// Whether text for people is coloured: on a terminal, unless `NO_COLOR`, whose value is given, asks for none by being
/// set to anything but nothing.
pub fn coloured(is_terminal: bool, no_color: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty)
}

/// Where a recipe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    /// A GitHub workflow that uploads its findings as code scanning alerts.
    Github,
    /// A hook for the pre-commit tool.
    PreCommit,
}

/// A file that runs the check elsewhere, ready to be saved.
pub fn ci(kind: Ci) -> &'static str {
    match kind {
        Ci::Github => include_str!("github.yml"),
        Ci::PreCommit => include_str!("pre-commit.yaml"),
    }
}
