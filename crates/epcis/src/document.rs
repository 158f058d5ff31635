//! From a document to its events: capture documents, query documents, bare events, lists of events.

use domain::unique;
use serde_json::{Map, Value};

use crate::{Event, Problem, event};

/// A document taken apart. Every event is either sound or has its problems; none is left out.
#[derive(Clone, Debug)]
pub struct Document {
    /// The JSON-LD context of the whole document, if it has one.
    pub context: Option<Value>,
    /// The events in document order.
    pub events: Vec<Result<Event, Vec<Problem>>>,
}

impl Document {
    /// All problems of all events, in document order.
    #[must_use]
    pub fn problems(&self) -> Vec<&Problem> {
        self.events
            .iter()
            .filter_map(|event| event.as_ref().err())
            .flatten()
            .collect()
    }
}

/// Reads the text of a document.
///
/// # Errors
/// If the text is not JSON or names a member of an object twice, or the JSON is no EPCIS document. Problems of single
/// events are in [`Document::events`].
pub fn read(text: &[u8]) -> Result<Document, Vec<Problem>> {
    // A byte order mark is legal in files and not in JSON (RFC 8259, section 8.1 lets a reader ignore it).
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value = unique::read(text).map_err(|error| {
        let message = if error.is_data() {
            error.to_string()
        } else {
            format!("is not JSON: {error}")
        };
        vec![Problem::new("", message)]
    })?;
    read_value(value)
}

/// Reads a parsed document.
///
/// # Errors
/// As [`read`].
pub fn read_value(value: Value) -> Result<Document, Vec<Problem>> {
    match value {
        Value::Array(list) => Ok(events_of(None, "", list)),
        Value::Object(members) => match members.get("type").and_then(Value::as_str) {
            Some("EPCISDocument") => body(members, "/epcisBody/eventList"),
            Some("EPCISQueryDocument") => body(members, "/epcisBody/queryResults/resultsBody/eventList"),
            Some(_) => {
                let context = members.get("@context").cloned();
                let event = event::check("", Value::Object(members));
                Ok(Document {
                    context,
                    events: vec![event],
                })
            }
            None => Err(vec![Problem::new(
                "/type",
                "is missing: expected `EPCISDocument`, `EPCISQueryDocument` or the type of an event",
            )]),
        },
        _ => Err(vec![Problem::new(
            "",
            "must be a document, an event, or a list of events",
        )]),
    }
}

fn body(mut members: Map<String, Value>, list: &str) -> Result<Document, Vec<Problem>> {
    let mut problems = Vec::new();
    match members.get("schemaVersion").and_then(Value::as_str) {
        Some(version) if version == "2" || version.starts_with("2.") => {}
        Some(version) => {
            problems.push(Problem::new(
                "/schemaVersion",
                format!("is `{version}`; this reader knows EPCIS 2"),
            ));
        }
        None => problems.push(Problem::new("/schemaVersion", "is missing: expected `2.0`")),
    }
    event::check_time(&members, "", "creationDate", &mut problems);
    let context = members.remove("@context");
    let mut document = Value::Object(members);
    let Some(Value::Array(events)) = document.pointer_mut(list).map(Value::take) else {
        problems.push(Problem::new(list, "is missing or no list"));
        return Err(problems);
    };
    if problems.is_empty() {
        Ok(events_of(context, list, events))
    } else {
        Err(problems)
    }
}

fn events_of(context: Option<Value>, list: &str, events: Vec<Value>) -> Document {
    let events = events
        .into_iter()
        .enumerate()
        .map(|(index, raw)| event::check(&format!("{list}/{index}"), raw))
        .collect();
    Document { context, events }
}
