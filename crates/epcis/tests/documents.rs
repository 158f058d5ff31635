//! Small documents that show one rule each.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use epcis::{Epc, Kind, read};
use serde_json::{Value, json};

fn event() -> Value {
    json!({
        "type": "ObjectEvent", "eventTime": "2026-03-01T12:00:00.5+01:00", "eventTimeZoneOffset": "+01:00",
        "action": "ADD", "bizStep": "commissioning", "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"],
        "readPoint": {"id": "urn:epc:id:sgln:0614141.07346.1234"}
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut event = event();
    event[name] = value;
    event
}

fn without(name: &str) -> Value {
    let mut event = event();
    event.as_object_mut().unwrap().remove(name);
    event
}

fn one(event: &Value) -> Result<epcis::Event, Vec<epcis::Problem>> {
    read(event.to_string().as_bytes()).unwrap().events.remove(0)
}

#[test]
fn an_event_says_what_happened_when_and_to_what() {
    let event = one(&event()).unwrap();
    assert_eq!(event.event_time, "2026-03-01T11:00:00.5Z");
    assert_eq!(event.biz_step.as_deref(), Some("commissioning"));
    assert_eq!(
        event.read_point.as_deref(),
        Some("urn:epc:id:sgln:0614141.07346.1234")
    );
    assert_eq!(event.subjects.len(), 1);
    assert_eq!(event.subjects[0].kind, Kind::Sgtin);
}

#[test]
fn every_broken_rule_is_named_with_its_place() {
    let cases = [
        (without("eventTime"), "/eventTime"),
        (with("eventTime", json!("22-07-2026")), "/eventTime"),
        (without("eventTimeZoneOffset"), "/eventTimeZoneOffset"),
        (with("eventTimeZoneOffset", json!("1h")), "/eventTimeZoneOffset"),
        (
            with("eventTimeZoneOffset", json!("+14:01")),
            "/eventTimeZoneOffset",
        ),
        (
            with("eventTimeZoneOffset", json!("+25:00")),
            "/eventTimeZoneOffset",
        ),
        (
            with("eventTimeZoneOffset", json!("-03:60")),
            "/eventTimeZoneOffset",
        ),
        (without("action"), "/action"),
        (with("action", json!("CREATE")), "/action"),
        (with("type", json!("ObjectEventInvalid")), "/type"),
        (with("bizStep", json!("transforming")), "/bizStep"),
        (with("disposition", json!("in_transport")), "/disposition"),
        (
            with("ilmd", json!({"materialType": "soil"})),
            "/ilmd/materialType",
        ),
        (with("epcList", json!(["no uri"])), "/epcList/0"),
        (
            with("epcList", json!("urn:epc:id:sgtin:0614141.107346.2017")),
            "/epcList",
        ),
        (without("epcList"), ""),
    ];
    for (event, pointer) in cases {
        let problems = one(&event).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.pointer == pointer),
            "{pointer}: {problems:?}"
        );
    }
}

#[test]
fn the_pointer_leads_into_the_document() {
    let document = json!({
        "type": "EPCISDocument", "schemaVersion": "2.0", "creationDate": "2026-03-01T12:00:00Z",
        "epcisBody": {"eventList": [event(), without("action")]}
    });
    let read = read(document.to_string().as_bytes()).unwrap();
    assert!(read.events[0].is_ok());
    let problems = read.events[1].as_ref().unwrap_err();
    let place = document.pointer("/epcisBody/eventList/1").unwrap();
    assert!(place.get("action").is_none());
    assert_eq!(problems[0].pointer, "/epcisBody/eventList/1/action");
}

#[test]
fn what_is_no_document_is_refused() {
    for text in ["", "[", "7", "{}", r#"{"type":"EPCISDocument"}"#] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn identity_is_the_given_id_else_the_content_whatever_its_order() {
    let mut turned: Vec<_> = event().as_object().unwrap().clone().into_iter().collect();
    turned.reverse();
    let turned = Value::Object(turned.into_iter().collect());
    assert_ne!(turned.to_string(), event().to_string());
    assert_eq!(one(&turned).unwrap().identity, one(&event()).unwrap().identity);
    assert_ne!(
        one(&with("action", json!("OBSERVE"))).unwrap().identity,
        one(&event()).unwrap().identity
    );
    let named = with("eventID", json!("ni:///sha-256;00?ver=CBV2.0"));
    assert_eq!(one(&named).unwrap().identity, "ni:///sha-256;00?ver=CBV2.0");
    let mut error = named;
    error["errorDeclaration"] = json!({"declarationTime": "2026-03-02T00:00:00Z"});
    assert_eq!(one(&error).unwrap().identity, "ni:///sha-256;00?ver=CBV2.0#error");
    let long = one(&with("eventID", json!(format!("urn:x:{}", "y".repeat(500))))).unwrap();
    assert!(long.identity.len() <= 128);
}

/// Values of the GS1 EPC Tag Data Standard's examples; check digits computed by hand.
#[test]
fn epcs_give_their_gs1_keys() {
    let cases = [
        (
            "urn:epc:id:sscc:0614141.1234567890",
            Kind::Sscc,
            "106141412345678908",
        ),
        (
            "urn:epc:idpat:sgtin:4012345.098765.*",
            Kind::Gtin,
            "04012345987652",
        ),
        ("urn:epc:id:sgln:4012345.00005.0", Kind::Gln, "4012345000054"),
        (
            "https://id.gs1.org/00/106141412345678908",
            Kind::Sscc,
            "106141412345678908",
        ),
        (
            "https://example.com/a/01/09521141012345/21/2017?x=1",
            Kind::Sgtin,
            "https://example.com/a/01/09521141012345/21/2017",
        ),
        (
            "https://id.gs1.org/01/09521141012345/10/LOT1",
            Kind::Other,
            "https://id.gs1.org/01/09521141012345/10/LOT1",
        ),
        (
            "urn:epc:class:lgtin:4012345.012345.998877",
            Kind::Other,
            "urn:epc:class:lgtin:4012345.012345.998877",
        ),
    ];
    for (uri, kind, value) in cases {
        let epc = Epc::parse(uri).unwrap();
        assert_eq!((epc.kind, epc.value.as_str()), (kind, value), "{uri}");
    }
    assert_eq!(Epc::parse("no uri"), None);
}

#[test]
fn the_widest_offsets_are_sound() {
    for offset in ["+14:00", "-14:00", "+13:59", "+00:00", "-00:30"] {
        one(&with("eventTimeZoneOffset", json!(offset))).unwrap();
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_with_its_place() {
    let twice = event()
        .to_string()
        .replacen('{', "{\"type\": \"ObjectEvent\",", 1);
    let within = event()
        .to_string()
        .replacen("\"readPoint\":{", "\"readPoint\":{\"id\":\"urn:a:b\",", 1);
    for (text, name) in [(twice, "type"), (within, "id")] {
        let problems = read(text.as_bytes()).unwrap_err();
        let message = problems[0].to_string();
        assert!(
            message.starts_with(&format!("duplicate field `{name}` at line 1 column ")),
            "{message}"
        );
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_said_without_a_place() {
    let said = |text: &str| read(text.as_bytes()).unwrap_err()[0].to_string();
    assert!(said("{").starts_with("is not JSON: "), "{}", said("{"));
    assert!(said("7").starts_with("must be a document"), "{}", said("7"));
    assert!(said("{}").starts_with("/type: is missing"), "{}", said("{}"));
}
