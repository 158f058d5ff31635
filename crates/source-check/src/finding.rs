//! A finding, and the report that holds them all.

use serde::Serialize;

use crate::ir::Pos;
use crate::rules::Rule;

/// A finding before silences and the baseline are applied.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub rule: Rule,
    pub file: usize,
    pub pos: Pos,
    pub function: String,
    pub message: String,
    /// File, line, text.
    pub notes: Vec<(usize, u32, String)>,
}

/// Something that a rule found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The file, relative to the checked folder.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The function or declaration.
    pub function: String,
    /// What was found.
    pub message: String,
    /// The line's text.
    pub source: String,
    /// Other places that belong to it.
    pub notes: Vec<Note>,
    /// Stays the same when lines are added above: for baselines and SARIF.
    pub fingerprint: String,
}

/// A place that belongs to a finding.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// What happens there.
    pub text: String,
}

/// A file that could not be checked.
#[derive(Clone, Debug, Serialize)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 if the file could not be read at all.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// Why.
    pub reason: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Files read.
    pub files: usize,
    /// Lines in them.
    pub lines: usize,
    /// Files that could not be checked: the result is then inconclusive.
    pub unread: Vec<Unread>,
    /// Findings, by file and line.
    pub findings: Vec<Finding>,
    /// Findings left out because the baseline knows them.
    pub known: usize,
    /// Entries of the baseline that nothing matches any more.
    pub gone: usize,
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was read and nothing was found.
    Pass,
    /// Something was found.
    Fail,
    /// Nothing was found, but not everything could be read, or there was nothing to read.
    Inconclusive,
}

impl Report {
    /// Findings fail; an empty or incomplete run never passes.
    pub fn verdict(&self) -> Verdict {
        match (
            self.findings.is_empty(),
            self.files == 0 || !self.unread.is_empty(),
        ) {
            (false, _) => Verdict::Fail,
            (true, true) => Verdict::Inconclusive,
            (true, false) => Verdict::Pass,
        }
    }
}
