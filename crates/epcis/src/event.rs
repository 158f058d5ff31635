//! One event: the rules it must keep, and what it says that items and events need.

use serde_json::{Map, Value};

use crate::{Epc, Problem, identity, vocabulary};

/// The time zone offset's shape, for messages.
const OFFSET: &str = "expected an offset of at most 14 hours, such as `+02:00`";

/// A sound event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its type, such as `ObjectEvent`.
    pub event_type: String,
    /// When it happened: RFC 3339 in UTC.
    pub event_time: String,
    /// `ADD`, `OBSERVE` or `DELETE`; a transformation has none.
    pub action: Option<String>,
    /// The business step, as written.
    pub biz_step: Option<String>,
    /// Where it happened.
    pub read_point: Option<String>,
    /// What it is about: parent, objects, children, inputs, outputs, classes with quantities; each once, in that
    /// order. An event without objects is about its read point or business location.
    pub subjects: Vec<Epc>,
    /// Its identity: the same event sent twice has the same one. At most 128 characters.
    pub identity: String,
    /// The identity of its content, whatever `eventID` it claims.
    pub content_identity: String,
    /// The event as it came, for keeping.
    pub raw: Value,
}

/// Checks an event at `at`.
pub(crate) fn check(at: &str, raw: Value) -> Result<Event, Vec<Problem>> {
    let Value::Object(members) = &raw else {
        return Err(vec![Problem::new(at, "must be an object")]);
    };
    let mut problems = Vec::new();
    let event_type = check_type(members, at, &mut problems);
    let event_time = check_time(members, at, "eventTime", &mut problems);
    check_offset(members, at, &mut problems);
    let action = check_action(members, at, &event_type, &mut problems);
    vocabulary::check(members, at, &mut problems);
    check_ilmd(members, at, &mut problems);
    let subjects = subjects(members, at, &mut problems);
    check_content(members, at, &event_type, action.as_deref(), &mut problems);
    let identities = identity::of(members).zip(identity::of_content(members));
    let (Some(event_time), true, Some((identity, content_identity))) =
        (event_time, problems.is_empty(), identities)
    else {
        return Err(problems);
    };
    Ok(Event {
        event_type,
        event_time,
        action,
        biz_step: text(members, "bizStep"),
        read_point: place(members, "readPoint"),
        subjects,
        identity,
        content_identity,
        raw,
    })
}

fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(str::to_owned)
}

fn place(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.get("id")?.as_str().map(str::to_owned)
}

fn check_type(members: &Map<String, Value>, at: &str, problems: &mut Vec<Problem>) -> String {
    let given = text(members, "type").unwrap_or_default();
    // A type of somebody's own is an IRI or has a prefix (EPCIS 2.0, section 7.4).
    if !vocabulary::EVENT_TYPES.contains(&given.as_str()) && !given.contains(':') {
        let known = vocabulary::EVENT_TYPES.join(", ");
        let said = if given.is_empty() {
            "is missing".to_owned()
        } else {
            format!("`{given}` is not known")
        };
        problems.push(Problem::new(
            format!("{at}/type"),
            format!("{said}: expected {known}, or a type with a prefix"),
        ));
    }
    given
}

/// The moment in a required member, in UTC.
pub(crate) fn check_time(
    members: &Map<String, Value>,
    at: &str,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let pointer = format!("{at}/{name}");
    let Some(given) = members.get(name).and_then(Value::as_str) else {
        problems.push(Problem::new(
            pointer,
            "is missing: expected a time such as 2026-03-01T12:00:00+01:00",
        ));
        return None;
    };
    match given.parse::<jiff::Timestamp>() {
        Ok(time) => Some(time.to_string()),
        Err(_) => {
            let message =
                format!("`{given}` is not a time with an offset, such as 2026-03-01T12:00:00+01:00");
            problems.push(Problem::new(pointer, message));
            None
        }
    }
}

fn check_offset(members: &Map<String, Value>, at: &str, problems: &mut Vec<Problem>) {
    let pointer = format!("{at}/eventTimeZoneOffset");
    match members.get("eventTimeZoneOffset").and_then(Value::as_str) {
        None => problems.push(Problem::new(pointer, format!("is missing: {OFFSET}"))),
        Some(given) if is_offset(given) => {}
        Some(_) => problems.push(Problem::new(pointer, format!("is malformed: {OFFSET}"))),
    }
}

/// Whether it is an offset as the standard's JSON schema has it: two digits each, up to 14:00.
fn is_offset(text: &str) -> bool {
    let [b'+' | b'-', size @ ..] = text.as_bytes() else {
        return false;
    };
    let shape = matches!(size, [b'0'..=b'9', b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9']);
    shape && size <= b"14:00".as_slice()
}

fn check_action(
    members: &Map<String, Value>,
    at: &str,
    event_type: &str,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let given = text(members, "action");
    let needed = vocabulary::EVENT_TYPES.contains(&event_type) && event_type != "TransformationEvent";
    let message = match given.as_deref() {
        Some("ADD" | "OBSERVE" | "DELETE") => return given,
        None if needed || members.contains_key("action") => "is missing".to_owned(),
        None => return None,
        Some(other) => format!("`{other}` is not known"),
    };
    problems.push(Problem::new(
        format!("{at}/action"),
        format!("{message}: expected ADD, OBSERVE or DELETE"),
    ));
    None
}

/// Master data of instances or lots is somebody's vocabulary, so its names have a prefix (EPCIS 2.0, section 7.3.8).
fn check_ilmd(members: &Map<String, Value>, at: &str, problems: &mut Vec<Problem>) {
    let Some(Value::Object(ilmd)) = members.get("ilmd") else {
        return;
    };
    for name in ilmd
        .keys()
        .filter(|name| !name.contains(':') && !name.starts_with('@'))
    {
        problems.push(Problem::new(
            format!("{at}/ilmd/{name}"),
            "has no namespace: write it as `prefix:name`",
        ));
    }
}

/// What an event of its type cannot do without (EPCIS 2.0, sections 7.4.2 to 7.4.6).
fn check_content(
    members: &Map<String, Value>,
    at: &str,
    event_type: &str,
    action: Option<&str>,
    problems: &mut Vec<Problem>,
) {
    let has = |names: &[&str]| names.iter().any(|name| filled(members.get(*name)));
    let message = match event_type {
        "ObjectEvent" if !has(&["epcList", "quantityList", "sensorElementList"]) => {
            "an object event needs `epcList`, `quantityList` or `sensorElementList`"
        }
        "AggregationEvent" | "AssociationEvent" if action != Some("OBSERVE") && !has(&["parentID"]) => {
            "needs `parentID` unless its action is OBSERVE"
        }
        "AggregationEvent" | "AssociationEvent"
            if action == Some("ADD") && !has(&["childEPCs", "childQuantityList"]) =>
        {
            "with the action ADD it needs `childEPCs` or `childQuantityList`"
        }
        "TransactionEvent" if !has(&["bizTransactionList"]) => {
            "a transaction event needs `bizTransactionList`"
        }
        "TransformationEvent"
            if !has(&[
                "inputEPCList",
                "inputQuantityList",
                "outputEPCList",
                "outputQuantityList",
            ]) =>
        {
            "a transformation needs inputs or outputs"
        }
        _ => return,
    };
    problems.push(Problem::new(at, message));
}

fn filled(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    }
}

fn subjects(members: &Map<String, Value>, at: &str, problems: &mut Vec<Problem>) -> Vec<Epc> {
    let mut found = Vec::new();
    if let Some(parent) = members.get("parentID") {
        take(Some(parent), format!("{at}/parentID"), &mut found, problems);
    }
    for name in ["epcList", "childEPCs", "inputEPCList", "outputEPCList"] {
        for (index, entry) in entries(members, name, at, problems).iter().enumerate() {
            take(Some(entry), format!("{at}/{name}/{index}"), &mut found, problems);
        }
    }
    for name in [
        "quantityList",
        "childQuantityList",
        "inputQuantityList",
        "outputQuantityList",
    ] {
        for (index, entry) in entries(members, name, at, problems).iter().enumerate() {
            take(
                entry.get("epcClass"),
                format!("{at}/{name}/{index}/epcClass"),
                &mut found,
                problems,
            );
        }
    }
    for name in ["readPoint", "bizLocation"] {
        if found.is_empty() && problems.is_empty() && members.contains_key(name) {
            take(
                members[name].get("id"),
                format!("{at}/{name}/id"),
                &mut found,
                problems,
            );
        }
    }
    found
}

fn entries<'a>(
    members: &'a Map<String, Value>,
    name: &str,
    at: &str,
    problems: &mut Vec<Problem>,
) -> &'a [Value] {
    match members.get(name) {
        None => &[],
        Some(Value::Array(list)) => list,
        Some(_) => {
            problems.push(Problem::new(format!("{at}/{name}"), "must be a list"));
            &[]
        }
    }
}

fn take(value: Option<&Value>, pointer: String, found: &mut Vec<Epc>, problems: &mut Vec<Problem>) {
    match value.and_then(Value::as_str).and_then(Epc::parse) {
        Some(epc) if found.contains(&epc) => {}
        Some(epc) => found.push(epc),
        None => problems.push(Problem::new(
            pointer,
            "must be a URI that identifies something, such as an EPC URN",
        )),
    }
}
