//! A Markdown summary for a pull request: verdict, reasons, one table per stage that has figures.

use super::evidence::{CompareReport, LoadReport};
use super::model::{Detail, Report};
use crate::compare::HEAD;
use crate::units::{show_seconds, show_share};

/// The report as Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut out = format!("## {}: {}\n\n", clean(&report.name), report.verdict.word());
    out += &format!(
        "Target `{}`, {} to {}\n\n",
        report.target.replace('`', ""),
        report.started,
        report.finished
    );
    for reason in &report.reasons {
        out += &format!("- {}\n", clean(reason));
    }
    out += "\n| stage | verdict | time |\n| --- | --- | --- |\n";
    for stage in &report.stages {
        out += &format!(
            "| {} | {} | {} |\n",
            clean(&stage.name),
            stage.verdict,
            show_seconds(stage.seconds)
        );
    }
    for stage in &report.stages {
        match &stage.detail {
            Detail::Load(load) => out += &load_table(&stage.name, load),
            Detail::Compare(compare) => out += &compare_table(compare),
            Detail::None | Detail::Smoke(_) | Detail::Soak(_) | Detail::Findings { .. } => {}
        }
    }
    if let Some(hash) = &report.evidence_sha256 {
        out += &format!("\nEvidence SHA-256 `{hash}`\n");
    }
    out
}

fn compare_table(compare: &CompareReport) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut out = format!("\n{}\n\n", clean(&compare.plan));
    out += &line(&HEAD.map(str::to_owned));
    out += &line(&HEAD.map(|_| "---".to_owned()));
    out.extend(compare.table.iter().map(|row| line(&row.cells())));
    out
}

fn load_table(name: &str, load: &LoadReport) -> String {
    let mut out = format!(
        "\n**{}**: {:.1} requests/s\n\n| request | phase | ok | not ok | no answer | p50 | p95 | p99 | max |\n",
        clean(name),
        load.rate
    );
    out += "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for cell in load.cells.iter().filter(|cell| !load.phases[cell.phase].1) {
        let show = |pick: fn(&crate::measure::Summary) -> f64| {
            cell.latency
                .as_ref()
                .map_or_else(|| "–".to_owned(), |l| show_seconds(pick(l)))
        };
        out += &format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            clean(&load.tags[cell.tag].name),
            clean(&load.phases[cell.phase].0),
            cell.tally.ok,
            cell.tally.not_ok,
            cell.tally.unanswered(),
            show(|l| l.p50),
            show(|l| l.p95),
            show(|l| l.p99),
            show(|l| l.max),
        );
    }
    let error_rate = load
        .total
        .error_rate()
        .map_or_else(|| "not measured".to_owned(), show_share);
    out + &format!("\nErrors: {error_rate}\n")
}

/// Text that cannot break out of a line or a table cell.
fn clean(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}
