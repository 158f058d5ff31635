//! SARIF 2.1.0 (OASIS standard, 27 March 2020).

use serde_json::{Value, json};

use crate::finding::{Finding, Report};
use crate::rules::Rule;

/// The report as one SARIF run. Files that were not checked are tool notifications.
pub fn sarif(report: &Report) -> String {
    let rules: Vec<Value> = Rule::ALL.into_iter().map(rule).collect();
    let results: Vec<Value> = report.findings.iter().map(result).collect();
    let notifications: Vec<Value> = report
        .unread
        .iter()
        .map(|unread| {
            json!({
                "level": "error",
                "message": { "text": unread.reason },
                "locations": [location(&unread.file, unread.line.max(1), unread.column.max(1))],
            })
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "farmgate check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.unread.is_empty() && report.files > 0,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn rule(rule: Rule) -> Value {
    let text = rule.text();
    json!({
        "id": text.id,
        "shortDescription": { "text": text.title },
        "fullDescription": { "text": text.why },
        "help": { "text": text.mend },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(finding: &Finding) -> Value {
    let index = Rule::ALL.into_iter().position(|rule| rule == finding.rule);
    let related: Vec<Value> = finding
        .notes
        .iter()
        .map(|note| {
            let mut place = location(&note.file, note.line.max(1), 1);
            place["message"] = json!({ "text": note.text });
            place
        })
        .collect();
    let mut place = location(&finding.file, finding.line, finding.column);
    place["logicalLocations"] = json!([{ "fullyQualifiedName": finding.function, "kind": "function" }]);
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": index,
        "level": "error",
        "message": { "text": format!("{}. {}", finding.message, finding.rule.text().mend) },
        "locations": [place],
        "relatedLocations": related,
        "partialFingerprints": { "farmgateCheck/v1": finding.fingerprint },
    })
}

fn location(file: &str, line: u32, column: u32) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(file) },
        "region": { "startLine": line, "startColumn": column },
    }})
}

/// A relative path as a URI reference: everything but unreserved characters and `/` is escaped.
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
