//! Stages of `farmgate gate` that other crates carry out: the source check and the isolation test. What they found is
//! put into the gate's own words here; what they look for is theirs.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use gate::report::{Detail, Finding, StageResult};
use gate::stage::Stage;
use gate::verdict::Verdict;
use isolation::{Config, Options};

use super::isolate::Stderr;

type Running<'a> = Pin<Box<dyn Future<Output = Result<StageResult, String>> + 'a>>;

/// `[check]`: blocking work in async source.
pub struct CheckStage {
    /// Folder with the source.
    pub path: PathBuf,
    /// How it is read.
    pub config: source_check::Config,
}

impl Stage for CheckStage {
    fn name(&self) -> &'static str {
        "check"
    }

    fn run(&mut self) -> Running<'_> {
        let (path, config) = (self.path.clone(), self.config.clone());
        Box::pin(async {
            let begun = tokio::time::Instant::now();
            // Parsing takes a processor for as long as it lasts, so it is kept off the async workers.
            let checked = tokio::task::spawn_blocking(move || source_check::check(&path, &config));
            let report = checked.await.map_err(|e| e.to_string())?.map_err(|e| whole(&e))?;
            Ok(check_result(&report, begun.elapsed()))
        })
    }
}

fn check_result(report: &source_check::Report, took: Duration) -> StageResult {
    let facts = [
        ("files", report.files),
        ("lines", report.lines),
        ("files that could not be read", report.unread.len()),
    ];
    let findings = report.findings.iter().map(|finding| Finding {
        rule: finding.rule.id().to_owned(),
        title: finding.message.clone(),
        place: format!("{}:{}:{}", finding.file, finding.line, finding.column),
        detail: finding.source.trim().to_owned(),
    });
    let mut reasons = count(report.findings.len(), "finding");
    reasons.extend(
        report
            .unread
            .iter()
            .map(|unread| format!("not checked: {}: {}", unread.file, unread.reason)),
    );
    if report.files == 0 {
        reasons.push("no Rust file was found".to_owned());
    }
    StageResult {
        name: "check".to_owned(),
        verdict: match report.verdict() {
            source_check::Verdict::Pass => Verdict::Pass,
            source_check::Verdict::Fail => Verdict::Fail,
            source_check::Verdict::Inconclusive => Verdict::Inconclusive,
        },
        reasons,
        seconds: took.as_secs_f64(),
        detail: Detail::Findings {
            facts: facts
                .map(|(name, value)| (name.to_owned(), value.to_string()))
                .into(),
            findings: findings.collect(),
        },
    }
}

/// `[isolation]`: does anyone ever get what is somebody else's?
pub struct IsolationStage {
    /// What is tested.
    pub config: Config,
    /// Seed, the command that replays a finding, and what ends the run early.
    pub options: Options,
}

impl Stage for IsolationStage {
    fn name(&self) -> &'static str {
        "isolation"
    }

    fn run(&mut self) -> Running<'_> {
        Box::pin(async {
            let mut progress = Stderr;
            let tested = isolation::isolate(self.config.clone(), &self.options, &mut progress);
            tested
                .await
                .map(|report| isolation_result(&report))
                .map_err(|e| whole(&e))
        })
    }
}

fn isolation_facts(report: &isolation::Report) -> Vec<(String, String)> {
    let facts = [
        ("verdict", report.verdict.word().to_owned()),
        ("principals", report.principals.to_string()),
        ("objects", report.ids.to_string()),
        ("probes", report.replays.to_string()),
        ("requests", report.requests.to_string()),
        (
            "in trouble, tried again and not judged",
            report.trouble.to_string(),
        ),
        ("bytes scanned", report.bytes_scanned.to_string()),
    ];
    let mut facts: Vec<_> = facts
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
    facts.extend(
        report
            .waived
            .iter()
            .map(|(rule, why)| (format!("waived: {rule}"), why.clone())),
    );
    facts.extend(report.notes.iter().map(|note| ("note".to_owned(), note.clone())));
    facts
}

fn isolation_result(report: &isolation::Report) -> StageResult {
    let mut reasons = count(report.findings.len(), "finding");
    reasons.extend(count(report.suspicions.len(), "suspicion, seen and not again"));
    reasons.extend(
        report
            .uncovered
            .iter()
            .map(|(what, why)| format!("not covered: {what}: {why}")),
    );
    let confirmed = report.findings.iter().map(|found| finding(found, "confirmed"));
    let suspected = report
        .suspicions
        .iter()
        .map(|found| finding(found, "not confirmed"));
    StageResult {
        name: "isolation".to_owned(),
        verdict: match report.verdict {
            isolation::Verdict::Isolated => Verdict::Pass,
            isolation::Verdict::Breached => Verdict::Fail,
            isolation::Verdict::Inconclusive => Verdict::Inconclusive,
        },
        reasons,
        seconds: report.seconds,
        detail: Detail::Findings {
            facts: isolation_facts(report),
            findings: confirmed.chain(suspected).collect(),
        },
    }
}

fn finding(found: &isolation::Finding, standing: &str) -> Finding {
    let proof = found
        .proof
        .iter()
        .map(|step| format!("{}: {} -> {}", step.who, step.request, step.status));
    let mut lines = vec![format!("{standing}; seen {} times", found.seen)];
    lines.extend(proof);
    lines.push(format!("bytes: {}", found.bytes));
    lines.push(format!("again: {}", found.replay));
    Finding {
        rule: found.rule.to_owned(),
        title: found.meaning.to_owned(),
        place: found.what.clone(),
        detail: lines.join("\n"),
    }
}

/// The number as a reason, unless there is nothing to count.
fn count(number: usize, of: &str) -> Vec<String> {
    if number == 0 {
        Vec::new()
    } else {
        vec![format!(
            "{number} {of}{}",
            if number == 1 { "" } else { " (each below)" }
        )]
    }
}

/// The error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
