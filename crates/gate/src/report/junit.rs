//! JUnit XML: one suite per stage, one case per promise; doubts are errors, because JUnit has no other word for them.

use super::model::{Detail, Report, StageResult};
use crate::verdict::Verdict;

struct Case {
    name: String,
    verdict: Verdict,
    text: String,
}

/// The report as JUnit XML.
pub(super) fn junit(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml += &format!("<testsuites name=\"{}\">\n", escape(&report.name));
    for stage in &report.stages {
        suite(&mut xml, stage);
    }
    if report.stages.is_empty() {
        xml += "  <testsuite name=\"gate\" tests=\"1\" failures=\"0\" errors=\"1\"><testcase name=\"run\" classname=\"gate\">\
                <error message=\"nothing was run\"/></testcase></testsuite>\n";
    }
    xml + "</testsuites>\n"
}

fn suite(xml: &mut String, stage: &StageResult) {
    let cases = cases(stage);
    let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
    *xml += &format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">\n",
        escape(&stage.name),
        cases.len(),
        count(Verdict::Fail),
        count(Verdict::Inconclusive),
        stage.seconds
    );
    for case in &cases {
        let (name, class) = (escape(&case.name), escape(&stage.name));
        let text = escape(&case.text);
        *xml += &match case.verdict {
            Verdict::Pass => format!("    <testcase name=\"{name}\" classname=\"{class}\"/>\n"),
            Verdict::Fail => format!(
                "    <testcase name=\"{name}\" classname=\"{class}\"><failure message=\"{text}\"/></testcase>\n"
            ),
            Verdict::Inconclusive => format!(
                "    <testcase name=\"{name}\" classname=\"{class}\"><error message=\"{text}\"/></testcase>\n"
            ),
        };
    }
    *xml += "  </testsuite>\n";
}

fn cases(stage: &StageResult) -> Vec<Case> {
    let mut cases: Vec<Case> = match &stage.detail {
        Detail::Smoke(smoke) => smoke
            .rows
            .iter()
            .map(|row| Case {
                name: format!("{}:{} {}", row.file, row.line, row.text),
                verdict: if row.ok { Verdict::Pass } else { Verdict::Fail },
                text: format!("expected {}, came {}", row.expected, row.actual),
            })
            .collect(),
        Detail::Load(load) => load.held().iter().map(held).collect(),
        Detail::Soak(soak) => soak.thresholds.iter().map(held).collect(),
        Detail::None | Detail::Compare(_) | Detail::Findings { .. } => Vec::new(),
    };
    cases.push(Case {
        name: "verdict".to_owned(),
        verdict: stage.verdict,
        text: stage.reasons.join("; "),
    });
    cases
}

fn held(held: &crate::threshold::Held) -> Case {
    Case {
        name: held.threshold.clone(),
        verdict: held.verdict,
        text: held.shown.clone(),
    }
}

/// Text for XML: the five signs escaped, characters that XML 1.0 forbids replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            '\t' | '\n' | '\r' => out.push(' '),
            c if (c as u32) < 0x20 || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
