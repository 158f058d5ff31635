//! Checking an answer: version and status first, then headers, body, and the `[Asserts]` section.

use super::failure::{Failure, Run};
use super::query::Looking;
use super::{body, filter, predicate};
use crate::outcome::AssertOutcome;
use crate::syntax::{Assert, Body, KeyValue, Pos, Response, VersionSpec};
use crate::value::Value;

/// Texts longer than this are cut in reports.
const MAX_SHOWN: usize = 4096;

impl Looking<'_> {
    fn row(&self, pos: Pos, text: String, ok: bool, expected: String, actual: String) -> AssertOutcome {
        let redact = |text: String| self.scope.variables.redact(&cut(text)).into_owned();
        AssertOutcome {
            line: pos.line,
            text,
            ok,
            expected: redact(expected),
            actual: redact(actual),
        }
    }

    /// A row whose texts (what was asserted, expected, found) are made only if somebody wants to read them.
    fn compared(&self, pos: Pos, ok: bool, texts: impl FnOnce() -> [String; 3]) -> AssertOutcome {
        let silent = ok && !self.scope.settings.explain_passed;
        let [text, expected, actual] = if silent { Default::default() } else { texts() };
        self.row(pos, text, ok, expected, actual)
    }

    pub(super) fn failed(&self, failure: &Failure, pos: Pos, text: &str) -> AssertOutcome {
        self.row(
            pos,
            text.to_string(),
            false,
            text.to_string(),
            failure.message.clone(),
        )
    }

    /// The asserts that decide whether anything is captured.
    pub(super) fn version_and_status(&self, spec: &Response) -> Vec<AssertOutcome> {
        let answer = self.answer.response();
        let version = answer.version.as_str();
        let expected = match spec.version {
            VersionSpec::Any => "HTTP",
            VersionSpec::V10 => "HTTP/1.0",
            VersionSpec::V11 => "HTTP/1.1",
            VersionSpec::V2 => "HTTP/2",
            VersionSpec::V3 => "HTTP/3",
        };
        let ok = spec.version == VersionSpec::Any || version == expected;
        let texts = || [expected, expected, version].map(str::to_string);
        let mut rows = Vec::with_capacity(2 + spec.headers.len() + 1 + spec.asserts.len());
        rows.push(self.compared(spec.version_pos, ok, texts));
        if let Some(status) = spec.status {
            let ok = status == u64::from(answer.status);
            let texts = || {
                let (expected, actual) = (status.to_string(), answer.status.to_string());
                [format!("status {status}"), expected, actual]
            };
            rows.push(self.compared(spec.status_pos, ok, texts));
        }
        rows
    }

    /// All other asserts.
    pub(super) async fn asserts(&self, spec: &Response, rows: &mut Vec<AssertOutcome>) {
        for header in &spec.headers {
            rows.push(match self.header_row(header) {
                Ok(row) => row,
                Err(failure) => self.failed(&failure, header.key.pos, &header.source),
            });
        }
        if let Some(body) = &spec.body {
            rows.push(match self.body_row(body).await {
                Ok(row) => row,
                Err(failure) => self.failed(&failure, body.pos, "body"),
            });
        }
        for assert in &spec.asserts {
            rows.push(match self.assert_row(assert).await {
                Ok(row) => row,
                Err(failure) => self.failed(&failure, assert.predicate.pos, &assert.source),
            });
        }
    }

    fn header_row(&self, header: &KeyValue) -> Run<AssertOutcome> {
        let expected = self.scope.text(&header.value)?;
        let name = self.scope.text(&header.key)?;
        let values: Vec<_> = self.answer.response().headers.get_all(&name).collect();
        let ok = values.contains(&expected);
        Ok(self.compared(header.value.pos, ok, || {
            let actual = match values.as_slice() {
                [] => "this header is not in the response".to_string(),
                [one] => one.to_string(),
                several => several
                    .iter()
                    .map(|v| format!("\"{v}\""))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            let text = format!("{name}: {}", header.source);
            [text, expected.to_string(), actual]
        }))
    }

    async fn body_row(&self, expected: &Body) -> Run<AssertOutcome> {
        let pos = expected.pos;
        let unreadable = |message: String| Failure::capture(pos, message);
        let expected = body::value(self.scope, &expected.kind).await?;
        let text = "body".to_string();
        Ok(match &expected {
            Value::Bytes(bytes) => {
                let actual = self.answer.bytes().map_err(unreadable)?;
                let hex = |bytes: &[u8]| hex::encode(head(bytes));
                self.compared(pos, actual == bytes, || [text, hex(bytes), hex(actual)])
            }
            other => {
                let actual = self.answer.text().map_err(unreadable)?;
                let expected = other.to_string();
                let ok = actual == expected;
                self.compared(pos, ok, || [text, expected, actual.into_owned()])
            }
        })
    }

    pub(super) async fn assert_row(&self, assert: &Assert) -> Run<AssertOutcome> {
        let found = self.query(&assert.query)?;
        let value = match (found, assert.filters.first()) {
            (None, Some(first)) => {
                return Err(Failure::capture(first.pos, "missing value to apply filter"));
            }
            (Some(value), Some(_)) => filter::apply(self.scope, &assert.filters, value, self.coerce)?,
            (found, None) => found,
        };
        let explain = self.scope.settings.explain_passed;
        let verdict = predicate::check(self.scope, &assert.predicate, value.as_ref(), explain).await?;
        Ok(self.compared(assert.predicate.pos, verdict.ok, || {
            [assert.source.clone(), verdict.expected, verdict.actual]
        }))
    }
}

fn head(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_SHOWN / 2)]
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_SHOWN {
        let end = (0..=MAX_SHOWN)
            .rev()
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
