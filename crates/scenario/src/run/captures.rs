//! Capturing values of an answer into variables.

use super::entry::Look;
use super::failure::{Failure, Run};
use super::filter;
use super::query::Looking;
use super::variables::{REDACTED, Variables};
use crate::settings::Settings;
use crate::syntax::Capture;
use crate::value::Value;

/// Captures in order; a later one may use the variable of an earlier one. Returns what may be reported, if anybody
/// wants to read it.
pub(super) fn capture(
    captures: &[Capture],
    look: &Look<'_>,
    settings: &Settings,
    variables: &mut Variables,
) -> Run<Vec<(String, Value)>> {
    let mut captured = Vec::new();
    for capture in captures {
        let looking = look.looking(variables, settings);
        let name = looking.scope.text(&capture.name)?;
        let value = value(capture, looking)?;
        if !capture.redact {
            if settings.explain_passed {
                captured.push((name.to_string(), value.clone()));
            }
            variables.set(&name, value);
            continue;
        }
        let Value::String(secret) = value else {
            let message = format!("a secret must be a string, the value is a {}", value.kind());
            return Err(Failure::capture(capture.name.pos, message));
        };
        variables.set_secret(&name, &secret);
        if settings.explain_passed {
            captured.push((name.into_owned(), Value::from(REDACTED)));
        }
    }
    // Only now are all secrets known.
    Ok(captured
        .into_iter()
        .map(|(name, value)| (name, variables.redact_value(value)))
        .collect())
}

fn value(capture: &Capture, looking: Looking<'_>) -> Run<Value> {
    let found = looking.query(&capture.query)?;
    let found =
        found.ok_or_else(|| Failure::capture(capture.query.pos, "the query found nothing to capture"))?;
    let filtered = filter::apply(looking.scope, &capture.filters, found, looking.coerce)?;
    filtered.ok_or_else(|| {
        let pos = capture
            .filters
            .first()
            .map_or(capture.query.pos, |filter| filter.pos);
        Failure::capture(pos, "a filter left nothing to capture")
    })
}
