//! SARIF 2.1.0 (OASIS standard, 27 March 2020): one result for each promise that did not hold, each failed assert and
//! each finding, so that a code review shows them where they stand. Doubts are warnings.

use serde_json::{Value, json};

use super::evidence::SmokeRow;
use super::model::{Detail, Finding, Report, StageResult};
use crate::compare::{Answer, FigureAnswer};
use crate::threshold::Held;
use crate::verdict::Verdict;

/// Something to show: rule, level, words, and the place as `file:line:column` where there is one.
struct Shown {
    rule: String,
    level: &'static str,
    text: String,
    place: Option<(String, u64, u64)>,
}

/// The report as one SARIF run.
pub(super) fn sarif(report: &Report) -> String {
    let home = config_file(report);
    let results: Vec<Shown> = report.stages.iter().flat_map(results).collect();
    let mut rules: Vec<&str> = results.iter().map(|result| result.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "farmgate gate",
                "semanticVersion": report.tool_version,
                "rules": rules.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.verdict != Verdict::Inconclusive,
                "startTimeUtc": report.started,
                "endTimeUtc": report.finished,
            }],
            "properties": {
                "verdict": report.verdict,
                "target": report.target,
                "evidenceSha256": report.evidence_sha256,
            },
            "results": results.iter().map(|result| shown(result, &rules, &home)).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// Where promises stand that have no place of their own: the configuration that the command named.
fn config_file(report: &Report) -> String {
    let named = report
        .environment
        .command
        .iter()
        .find(|argument| argument.ends_with(".toml"));
    named.map_or("gate.toml", String::as_str).to_owned()
}

fn results(stage: &StageResult) -> Vec<Shown> {
    let mut results = match &stage.detail {
        Detail::Smoke(smoke) => smoke.rows.iter().filter(|row| !row.ok).map(assert).collect(),
        Detail::Load(load) => load
            .held()
            .iter()
            .filter_map(|held| promise(stage, held))
            .collect(),
        Detail::Soak(soak) => soak
            .thresholds
            .iter()
            .filter_map(|held| promise(stage, held))
            .collect(),
        Detail::Compare(compare) => compare.answers.iter().filter_map(figure).collect(),
        Detail::Findings { findings, .. } => findings.iter().map(finding).collect(),
        Detail::None => Vec::new(),
    };
    // A stage that did not pass for a reason of its own must not look like one that has nothing to say.
    if results.is_empty() && stage.verdict != Verdict::Pass {
        let level = if stage.verdict == Verdict::Fail {
            "error"
        } else {
            "warning"
        };
        results.push(whole(
            &format!("{}.{}", stage.name, stage.verdict),
            level,
            stage.reasons.join("; "),
        ));
    }
    results
}

fn assert(row: &SmokeRow) -> Shown {
    let (expected, came) = (&row.expected, &row.actual);
    Shown {
        rule: "smoke.assert".to_owned(),
        level: "error",
        text: format!("{} ({}): expected {expected}, came {came}", row.text, row.request),
        place: Some((row.file.clone(), u64::from(row.line), 1)),
    }
}

fn figure(answer: &FigureAnswer) -> Option<Shown> {
    let (level, word) = match answer.answer {
        Answer::Worse => ("error", "is worse"),
        Answer::CannotTell => ("warning", "cannot be told"),
        Answer::Better | Answer::Same => return None,
    };
    let name = &answer.figure;
    Some(whole(&format!("compare.{name}"), level, format!("{name} {word}")))
}

fn finding(finding: &Finding) -> Shown {
    Shown {
        rule: finding.rule.clone(),
        level: "error",
        text: format!("{}\n{}\n{}", finding.title, finding.place, finding.detail),
        place: file_line_column(&finding.place),
    }
}

fn promise(stage: &StageResult, held: &Held) -> Option<Shown> {
    let (level, word) = match held.verdict {
        Verdict::Pass => return None,
        Verdict::Fail => ("error", "does not hold"),
        Verdict::Inconclusive => ("warning", "cannot be told"),
    };
    let rule = format!("{}.threshold", stage.name);
    Some(whole(
        &rule,
        level,
        format!("{} {word}: {}", held.threshold, held.shown),
    ))
}

fn whole(rule: &str, level: &'static str, text: String) -> Shown {
    Shown {
        rule: rule.to_owned(),
        level,
        text,
        place: None,
    }
}

/// `src/lib.rs:5:9`; `None` for the places of other stages, such as `GET /notes/{{id}}`.
fn file_line_column(place: &str) -> Option<(String, u64, u64)> {
    let mut parts = place.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((parts.next()?.to_owned(), line, column))
}

fn shown(result: &Shown, rules: &[&str], home: &str) -> Value {
    let (file, line, column) = result.place.clone().unwrap_or_else(|| (home.to_owned(), 1, 1));
    json!({
        "ruleId": result.rule,
        "ruleIndex": rules.binary_search(&result.rule.as_str()).ok(),
        "level": result.level,
        "message": { "text": result.text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&file) },
            "region": { "startLine": line.max(1), "startColumn": column.max(1) },
        }}],
    })
}

/// A path as a URI reference: everything but unreserved characters and `/` is escaped.
fn uri(path: &str) -> String {
    const KEPT: &[u8] = b"-._~/";
    let escape = |byte: u8| match byte.is_ascii_alphanumeric() || KEPT.contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    path.bytes().map(escape).collect()
}
