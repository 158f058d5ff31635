//! Error codes: stable, distinct, with a fitting status.

use std::collections::BTreeSet;

use domain::problem::{ErrorCode, Extension, FieldError};

#[test]
fn codes_are_distinct_words_with_an_error_status_a_title_and_a_meaning() {
    let mut seen = BTreeSet::new();
    for code in ErrorCode::ALL {
        assert!(seen.insert(code.as_str()), "{code} is there twice");
        assert!(
            code.as_str()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{code}"
        );
        assert!((400..600).contains(&code.status()), "{code}");
        assert!(
            !code.title().is_empty() && code.meaning().ends_with('.'),
            "{code}"
        );
        assert_eq!(code.as_str().parse(), Ok(*code));
    }
}

#[test]
fn the_codes_of_the_specification_have_their_status() {
    let expected = [
        ("not_found", 404),
        ("unauthenticated", 401),
        ("forbidden", 403),
        ("validation_failed", 422),
        ("conflict_detected", 409),
        ("insufficient_credits", 402),
        ("limit_exceeded", 403),
        ("rate_limited", 429),
        ("idempotency_mismatch", 422),
        ("precondition_failed", 412),
        ("unsupported_media_type", 415),
        ("payload_too_large", 413),
        ("malformed_json", 400),
        ("unavailable", 503),
        ("internal", 500),
    ];
    for (code, status) in expected {
        assert_eq!(code.parse::<ErrorCode>().unwrap().status(), status, "{code}");
    }
}

#[test]
fn a_field_error_has_three_members() {
    let json = serde_json::to_value(FieldError::new("limit", "out_of_range", "must be 1 to 1000")).unwrap();
    assert_eq!(
        json,
        serde_json::json!({ "field": "limit", "code": "out_of_range", "message": "must be 1 to 1000" })
    );
    assert_eq!(serde_json::to_value(ErrorCode::NotFound).unwrap(), "not_found");
}

/// A second member of the same name hides the first from most parsers.
#[test]
fn no_further_member_of_a_problem_takes_the_name_of_one_that_all_have() {
    let of_rfc_9457 = ["type", "title", "status", "detail", "instance"];
    let of_every_problem_here = ["code", "request_id", "trace_id", "errors"];
    for member in Extension::ALL {
        let name = member.as_str();
        assert!(
            !of_rfc_9457.contains(&name) && !of_every_problem_here.contains(&name),
            "{name}"
        );
        assert_eq!(serde_json::to_value(member).unwrap(), name);
    }
}
