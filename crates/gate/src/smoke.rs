//! Each scenario once: files in parallel, one row per assert with what was expected and what came.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::LocalBoxFuture;
use scenario::{EntryOutcome, Scenario, Settings, User, Value};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::load::{Rows, request_names};
use crate::report::{Detail, SmokeReport, SmokeRow, StageResult};
use crate::setup::{SetupError, find_scenarios, read_scenario, rows};
use crate::units::show_seconds;
use crate::verdict::{Verdict, proves_nothing};

/// Rows of a data file that are run; load takes them all, and smoke is to be over soon.
const MOST_ROWS: usize = 10;

/// A file to run.
#[derive(Clone, Debug)]
pub struct SmokeFile {
    /// Where it stands.
    pub path: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    /// The rows of its `# @data` comment; it is run once for each of the first ten, and once if there are none.
    pub rows: Rows,
}

/// Finds and reads all that smoke is to run, before the first request is sent.
///
/// # Errors
/// If a path does not exist, nothing is found, or a scenario or its data cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<SmokeFile>, SetupError> {
    let one = |path: PathBuf| {
        let scenario = read_scenario(&path)?;
        let rows = rows(&path, &scenario, None)?;
        Ok(SmokeFile { path, scenario, rows })
    };
    find_scenarios(paths)?.into_iter().map(one).collect()
}

/// Runs every scenario with a user of its own, `jobs` at the same time; rows come in the order of the files.
///
/// A file in which nothing was asserted or sent makes the run inconclusive: it proves nothing. So does a run that
/// `cancel` ended; the files that were done by then are reported. `live` is told of each.
///
/// A boxed future: the work is compiled with this crate, not again by whoever starts it.
pub fn run<'a>(
    files: Vec<SmokeFile>,
    settings: Settings,
    jobs: usize,
    cancel: &'a CancellationToken,
    live: &'a mut Live,
) -> LocalBoxFuture<'a, StageResult> {
    Box::pin(all(files, settings, jobs, cancel, live))
}

async fn all(
    files: Vec<SmokeFile>,
    settings: Settings,
    jobs: usize,
    cancel: &CancellationToken,
    live: &mut Live,
) -> StageResult {
    let start = Instant::now();
    let settings = Arc::new(settings);
    let total = files.len();
    let mut waiting = files.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut results: Vec<(usize, FileResult)> = Vec::new();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            for (index, file) in waiting.by_ref().take(jobs.max(1)) {
                running.spawn_local(one(index, file, settings.clone()));
            }
            while let Some(Some(done)) = cancel.run_until_cancelled(running.join_next()).await {
                results.extend(done);
                if let Some((_, result)) = results.last() {
                    live.say(&result.line(results.len(), total));
                }
                if let Some((index, file)) = waiting.next() {
                    running.spawn_local(one(index, file, settings.clone()));
                }
            }
        })
        .await;
    results.sort_by_key(|(index, _)| *index);
    conclude(
        results.into_iter().map(|(_, result)| result).collect(),
        total,
        start.elapsed().as_secs_f64(),
    )
}

struct FileResult {
    file: String,
    rows: Vec<SmokeRow>,
    calls: usize,
    ok: bool,
    /// Whether an entry that was run asserts anything.
    asserted: bool,
    /// Rows of its data that were not run.
    left_out: usize,
    seconds: f64,
}

impl FileResult {
    /// A line of progress.
    fn line(&self, number: usize, of: usize) -> String {
        let word = if self.ok { "ok" } else { "FAILED" };
        let took = show_seconds(self.seconds);
        format!(
            "{number}/{of} {word} {} ({} requests in {took})",
            self.file, self.calls
        )
    }
}

async fn one(index: usize, file: SmokeFile, settings: Arc<Settings>) -> (usize, FileResult) {
    let mut result = FileResult {
        file: file.path.display().to_string(),
        rows: Vec::new(),
        calls: 0,
        ok: true,
        asserted: false,
        left_out: file.rows.all().len().saturating_sub(MOST_ROWS),
        seconds: 0.0,
    };
    let rows = file.rows.all();
    if rows.is_empty() {
        result.add(&file.scenario, None, User::new(settings)).await;
        return (index, result);
    }
    for (number, row) in rows.iter().take(MOST_ROWS).enumerate() {
        let mut user = User::new(settings.clone());
        for (name, value) in row {
            user.set_variable(name, value.clone());
        }
        result.add(&file.scenario, Some(number + 1), user).await;
    }
    (index, result)
}

impl FileResult {
    /// Runs the scenario once; `number` is that of its row of data, if it has any.
    async fn add(&mut self, scenario: &Scenario, number: Option<usize>, mut user: User) {
        // Load numbers its users from 0; a file that names the number runs here, too.
        user.set_variable("user_number", Value::String("0".to_owned()));
        let outcome = user.run(scenario, &mut ()).await;
        let mut names = request_names(scenario);
        if let Some(number) = number {
            names
                .iter_mut()
                .for_each(|name| *name += &format!(" (row {number})"));
        }
        let rows = outcome.entries.iter();
        self.rows
            .extend(rows.flat_map(|entry| rows_of(&self.file, &names, entry, &user)));
        self.calls += outcome
            .entries
            .iter()
            .map(|entry| entry.calls as usize)
            .sum::<usize>();
        self.ok &= outcome.ok;
        let mut run = outcome.entries.iter().filter(|entry| !entry.skipped);
        self.asserted |= run.any(|entry| scenario.asserts(entry.index));
        self.seconds += outcome.duration.as_secs_f64();
    }
}

fn rows_of(file: &str, names: &[String], entry: &EntryOutcome, user: &User) -> Vec<SmokeRow> {
    let redact = |text: &str| user.redact(text).into_owned();
    let row = |line, text: &str, ok, expected: &str, actual: &str| SmokeRow {
        file: file.to_owned(),
        line,
        request: names.get(entry.index).cloned().unwrap_or_default(),
        attempt: entry.attempt,
        text: redact(text),
        ok,
        expected: redact(expected),
        actual: redact(actual),
    };
    if entry.skipped {
        return vec![row(entry.line, "skipped by its options", true, "", "")];
    }
    let asserts = entry
        .asserts
        .iter()
        .map(|a| row(a.line, &a.text, a.ok, &a.expected, &a.actual));
    let error = entry
        .error
        .as_ref()
        .map(|e| row(e.line, "carried out", false, "an answer", &e.message));
    asserts.chain(error).collect()
}

fn conclude(results: Vec<FileResult>, total: usize, seconds: f64) -> StageResult {
    let (verdict, mut reasons) = judge(&results, total);
    let partly = results.iter().filter(|result| result.left_out > 0);
    reasons.extend(partly.map(|result| {
        let (file, left_out) = (&result.file, result.left_out);
        format!("{file}: the first {MOST_ROWS} rows of its data were run, {left_out} were not")
    }));
    let report = SmokeReport {
        files: results.len(),
        calls: results.iter().map(|r| r.calls).sum(),
        rows: results.into_iter().flat_map(|r| r.rows).collect(),
    };
    if verdict == Verdict::Pass {
        reasons.push(format!(
            "{} files, {} requests, {} asserts held",
            report.files,
            report.calls,
            report.rows.len()
        ));
    }
    StageResult {
        name: "smoke".to_owned(),
        verdict,
        reasons,
        seconds,
        detail: Detail::Smoke(report),
    }
}

/// What the files come to, with what speaks against a pass.
fn judge(results: &[FileResult], total: usize) -> (Verdict, Vec<String>) {
    let mut reasons = Vec::new();
    let mut verdict = if results.is_empty() || results.len() < total {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    if results.is_empty() {
        reasons.push("no scenario was run".to_owned());
    }
    if results.len() < total {
        reasons.push(format!("stopped after {} of {total} files", results.len()));
    }
    for result in results {
        if !result.ok {
            verdict = Verdict::Fail;
            reasons.push(first_failure(result));
        } else if result.calls == 0 || !result.asserted {
            verdict = verdict.and(Verdict::Inconclusive);
            reasons.push(proves_nothing(&result.file));
        }
    }
    (verdict, reasons)
}

fn first_failure(result: &FileResult) -> String {
    match result.rows.iter().rev().find(|row| !row.ok) {
        Some(row) => format!(
            "{}:{}: {} ({}): expected {}, came {}",
            row.file, row.line, row.text, row.request, row.expected, row.actual
        ),
        None => format!("{}: failed", result.file),
    }
}
