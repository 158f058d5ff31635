//! Each scenario once: files in parallel, one row per assert with what was expected and what came.

use std::path::PathBuf;
use std::time::Instant;

use futures_util::future::LocalBoxFuture;
use scenario::{EntryOutcome, Scenario, Settings, User, Value};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::load::request_names;
use crate::report::{Detail, SmokeReport, SmokeRow, StageResult};
use crate::units::show_seconds;
use crate::verdict::Verdict;

/// Runs every scenario with a user of its own, `jobs` at the same time; rows come in the order of the files.
///
/// A file in which nothing was asserted or sent makes the run inconclusive: it proves nothing. So does a run that
/// `cancel` ended; the files that were done by then are reported. `live` is told of each.
///
/// A boxed future: the work is compiled with this crate, not again by whoever starts it.
pub fn run<'a>(
    files: Vec<(PathBuf, Scenario)>,
    settings: Settings,
    jobs: usize,
    cancel: &'a CancellationToken,
    live: &'a mut Live,
) -> LocalBoxFuture<'a, StageResult> {
    Box::pin(all(files, settings, jobs, cancel, live))
}

async fn all(
    files: Vec<(PathBuf, Scenario)>,
    settings: Settings,
    jobs: usize,
    cancel: &CancellationToken,
    live: &mut Live,
) -> StageResult {
    let start = Instant::now();
    let settings = std::sync::Arc::new(settings);
    let total = files.len();
    let mut waiting = files.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut results: Vec<(usize, FileResult)> = Vec::new();
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            for (index, (path, scenario)) in waiting.by_ref().take(jobs.max(1)) {
                running.spawn_local(one(index, path, scenario, settings.clone()));
            }
            while let Some(Some(done)) = cancel.run_until_cancelled(running.join_next()).await {
                results.extend(done);
                if let Some((_, result)) = results.last() {
                    live.say(&result.line(results.len(), total));
                }
                if let Some((index, (path, scenario))) = waiting.next() {
                    running.spawn_local(one(index, path, scenario, settings.clone()));
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

async fn one(
    index: usize,
    path: PathBuf,
    scenario: Scenario,
    settings: std::sync::Arc<Settings>,
) -> (usize, FileResult) {
    let mut user = User::new(settings);
    // Load numbers its users from 0; a file that names the number runs here, too.
    user.set_variable("user_number", Value::String("0".to_owned()));
    let outcome = user.run(&scenario, &mut ()).await;
    let names = request_names(&scenario);
    let file = path.display().to_string();
    let rows = outcome
        .entries
        .iter()
        .flat_map(|entry| rows_of(&file, &names, entry, &user))
        .collect();
    let calls = outcome.entries.iter().map(|entry| entry.calls as usize).sum();
    (
        index,
        FileResult {
            file,
            rows,
            calls,
            ok: outcome.ok,
            seconds: outcome.duration.as_secs_f64(),
        },
    )
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
        } else if result.calls == 0 || result.rows.is_empty() {
            verdict = verdict.and(Verdict::Inconclusive);
            reasons.push(format!(
                "{}: sends nothing or asserts nothing, so it proves nothing",
                result.file
            ));
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
