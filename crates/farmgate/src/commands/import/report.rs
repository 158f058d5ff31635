//! What an import tells at its end: counts, and each row that failed.

use std::io::Write;

use anyhow::Result;
use app::import::Fault;
use serde::Serialize;

/// Most faults and notes that are told one by one; all are counted.
const MAX_TOLD: usize = 1_000;

/// The summary of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Whether nothing was sent.
    pub dry_run: bool,
    /// Rows looked at.
    pub rows: u64,
    /// Rows that an earlier run had imported.
    pub done_before: u64,
    /// Rows imported now; in a dry run, rows that are sound.
    pub done: u64,
    /// Rows that failed.
    pub failed: u64,
    /// Why the run ended before the end of the file.
    pub stopped: Option<String>,
    /// What was wrong, by row.
    pub errors: Vec<Told>,
    /// What was remarkable, by row.
    pub notes: Vec<Told>,
    /// Errors and notes beyond the first thousand, which are not in the lists.
    pub left_out: u64,
}

/// Something about a row.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Told {
    row: u64,
    line: Option<u64>,
    field: String,
    message: String,
}

impl Report {
    /// Counts a row that failed.
    pub fn failed(&mut self, row: u64, line: Option<u64>, faults: Vec<Fault>) {
        self.failed += 1;
        for fault in faults {
            let told = Told {
                row,
                line,
                field: fault.field,
                message: fault.message,
            };
            self.left_out += keep(&mut self.errors, told);
        }
    }

    /// Counts a row that is done.
    pub fn done(&mut self, row: u64, line: Option<u64>, note: Option<String>) {
        self.done += 1;
        if let Some(message) = note {
            let told = Told {
                row,
                line,
                field: String::new(),
                message,
            };
            self.left_out += keep(&mut self.notes, told);
        }
    }

    /// Writes it, for people or as one line of JSON.
    pub fn write(mut self, out: &mut impl Write, json: bool) -> Result<()> {
        // Rows end in any order; the same file gives the same report.
        self.errors.sort();
        self.notes.sort();
        if json {
            return Ok(writeln!(out, "{}", serde_json::to_string(&self)?)?);
        }
        let file = &self.file;
        for (kind, list) in [("note: ", &self.notes), ("", &self.errors)] {
            for told in list {
                let line = told
                    .line
                    .map_or_else(String::new, |line| format!(" (line {line})"));
                let colon = if told.field.is_empty() { "" } else { ": " };
                let (row, field, message) = (told.row, &told.field, &told.message);
                writeln!(out, "{file}: row {row}{line}: {kind}{field}{colon}{message}")?;
            }
        }
        if self.left_out > 0 {
            writeln!(out, "{file}: and {} more", self.left_out)?;
        }
        if let Some(why) = &self.stopped {
            writeln!(out, "{file}: stopped before the end: {why}")?;
        }
        let (rows, done, failed, before) = (self.rows, self.done, self.failed, self.done_before);
        if self.dry_run {
            writeln!(
                out,
                "{file}: {done} of {rows} rows are sound, {failed} are not; nothing was sent"
            )?;
        } else {
            writeln!(
                out,
                "{file}: {done} of {rows} rows imported, {before} by an earlier run, {failed} failed"
            )?;
        }
        Ok(())
    }
}

/// Keeps it if there is room; gives how many were left out.
fn keep(list: &mut Vec<Told>, told: Told) -> u64 {
    if list.len() < MAX_TOLD {
        list.push(told);
        return 0;
    }
    1
}
