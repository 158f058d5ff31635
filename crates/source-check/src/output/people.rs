//! Text for people.

use std::fmt::Write;

use crate::finding::{Finding, Report, Verdict};

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const YELLOW: &str = "\x1b[1;33m";
const END: &str = "\x1b[0m";

/// The report as text, with colours if asked.
pub fn people(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    for unread in &report.unread {
        let head = paint("not checked", YELLOW, colour);
        let _ = writeln!(
            text,
            "{head}: {}:{}:{}: {}\n",
            unread.file,
            unread.line,
            unread.column,
            clean(&unread.reason)
        );
    }
    for finding in &report.findings {
        one(&mut text, finding, colour);
    }
    summary(&mut text, report);
    text
}

fn one(text: &mut String, finding: &Finding, colour: bool) {
    let explained = finding.rule.text();
    let arrow = |sign: &str| paint(sign, BLUE, colour);
    let head = paint(&format!("found[{}]", explained.id), RED, colour);
    let gutter = finding.line.to_string().len();
    let (pad, bar) = (" ".repeat(gutter), arrow("|"));
    let _ = writeln!(text, "{head}: {}", clean(&finding.message));
    let _ = writeln!(
        text,
        "{pad}{} {}:{}:{} in `{}`",
        arrow("-->"),
        finding.file,
        finding.line,
        finding.column,
        finding.function
    );
    let source = clean(&finding.source.replace('\t', " "));
    let _ = writeln!(
        text,
        "{pad} {bar}\n{} {bar} {source}",
        arrow(&finding.line.to_string())
    );
    let before = " ".repeat(finding.column.saturating_sub(1) as usize);
    let _ = writeln!(text, "{pad} {bar} {before}{}", paint("^", RED, colour));
    for note in &finding.notes {
        let _ = writeln!(text, "{pad} = {}:{}: {}", note.file, note.line, note.text);
    }
    let _ = writeln!(
        text,
        "{pad} = why: {}\n{pad} = mend: {}\n",
        explained.why, explained.mend
    );
}

fn summary(text: &mut String, report: &Report) {
    let verdict = match report.verdict() {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
    };
    let (found, files, lines) = (report.findings.len(), report.files, report.lines);
    let _ = write!(text, "{verdict}: {found} found in {files} files, {lines} lines");
    if !report.unread.is_empty() {
        let _ = write!(text, "; {} not checked", report.unread.len());
    }
    if report.known > 0 {
        let _ = write!(text, "; {} known from the baseline", report.known);
    }
    if report.gone > 0 {
        let _ = write!(text, "; {} of the baseline are gone: write it anew", report.gone);
    }
    if report.files == 0 {
        let _ = write!(text, "; there was no Rust file to check");
    }
    text.push('\n');
}

/// Control characters of the source never reach the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

fn paint(text: &str, code: &str, colour: bool) -> String {
    if colour {
        format!("{code}{text}{END}")
    } else {
        text.to_owned()
    }
}
