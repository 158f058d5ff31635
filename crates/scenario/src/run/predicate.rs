//! Comparing a value with what a predicate expects.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;

use super::body;
use super::dates;
use super::failure::{Failure, Run};
use super::template::Scope;
use crate::syntax::{Predicate, PredicateKind, PredicateValue};
use crate::value::{Number, TypeMismatch, Value};

/// How a comparison went.
pub(super) struct Verdict {
    pub(super) ok: bool,
    /// Empty if nobody wants to read it.
    pub(super) expected: String,
    pub(super) actual: String,
}

/// Compares; `None` stands for a query that found nothing. Texts are made only if the comparison failed or
/// `explain` is set.
pub(super) async fn check(
    scope: Scope<'_>,
    predicate: &Predicate,
    actual: Option<&Value>,
    explain: bool,
) -> Run<Verdict> {
    let operand = match operand_of(&predicate.kind) {
        Some(value) => Some(resolve(scope, value).await?),
        None => None,
    };
    let operand = operand.as_deref();
    let (holds, mismatch) = match actual {
        None => (false, false),
        Some(actual) => match evaluate(predicate, actual, operand)? {
            Ok(holds) => (holds, false),
            Err(TypeMismatch) => (false, true),
        },
    };
    let ok = !mismatch && holds != predicate.not;
    if ok && !explain {
        return Ok(Verdict {
            ok,
            expected: String::new(),
            actual: String::new(),
        });
    }
    let not = if predicate.not { "not " } else { "" };
    let expected = format!("{not}{}", expectation(&predicate.kind, operand));
    let shown = actual.map_or_else(|| "none".to_string(), Value::describe);
    let actual = if mismatch {
        format!("{shown} (the types do not go together)")
    } else {
        shown
    };
    Ok(Verdict { ok, expected, actual })
}

fn operand_of(kind: &PredicateKind) -> Option<&PredicateValue> {
    use PredicateKind as P;
    match kind {
        P::Equal(v)
        | P::NotEqual(v)
        | P::Greater(v)
        | P::GreaterOrEqual(v)
        | P::Less(v)
        | P::LessOrEqual(v)
        | P::StartsWith(v)
        | P::EndsWith(v)
        | P::Contains(v)
        | P::Includes(v)
        | P::Matches(v) => Some(v),
        _ => None,
    }
}

async fn resolve<'a>(scope: Scope<'a>, value: &'a PredicateValue) -> Run<Cow<'a, Value>> {
    Ok(match value {
        PredicateValue::Literal(value) => Cow::Borrowed(value),
        PredicateValue::Template(template) => Cow::Owned(Value::String(scope.text(template)?.into_owned())),
        PredicateValue::Multiline(kind) => Cow::Owned(body::value(scope, kind).await?),
        PredicateValue::File(name) => Cow::Owned(Value::Bytes(body::file(scope, name).await?)),
        PredicateValue::Expr(expr) => scope.value(expr)?,
        PredicateValue::Regex(regex) => Cow::Owned(Value::Regex(regex.clone())),
    })
}

type Compared = Result<bool, TypeMismatch>;

fn evaluate(predicate: &Predicate, actual: &Value, operand: Option<&Value>) -> Run<Compared> {
    use PredicateKind as P;
    let Some(operand) = operand else {
        return Ok(has_property(&predicate.kind, actual));
    };
    let ordered = |wanted: &[Ordering]| actual.compare(operand).map(|o| wanted.contains(&o));
    Ok(match &predicate.kind {
        P::Equal(_) => Ok(actual == operand),
        P::NotEqual(_) => Ok(actual != operand),
        P::Greater(_) => ordered(&[Ordering::Greater]),
        P::GreaterOrEqual(_) => ordered(&[Ordering::Greater, Ordering::Equal]),
        P::Less(_) => ordered(&[Ordering::Less]),
        P::LessOrEqual(_) => ordered(&[Ordering::Less, Ordering::Equal]),
        P::StartsWith(_) => actual.starts_with(operand),
        P::EndsWith(_) => actual.ends_with(operand),
        P::Contains(_) => actual.contains(operand),
        P::Includes(_) => actual.includes(operand),
        _ => return matches(predicate, actual, operand),
    })
}

fn matches(predicate: &Predicate, actual: &Value, operand: &Value) -> Run<Compared> {
    let invalid = |_| Failure::capture(predicate.pos, "the regular expression is not valid");
    let regex = match operand {
        Value::Regex(regex) => Cow::Borrowed(regex),
        Value::String(pattern) => Cow::Owned(Regex::new(pattern).map_err(invalid)?),
        _ => return Ok(Err(TypeMismatch)),
    };
    Ok(match actual {
        Value::String(text) => Ok(regex.is_match(text)),
        _ => Err(TypeMismatch),
    })
}

fn has_property(kind: &PredicateKind, actual: &Value) -> Compared {
    use PredicateKind as P;
    let text = |test: fn(&str) -> bool| match actual {
        Value::String(text) => Ok(test(text)),
        _ => Err(TypeMismatch),
    };
    let bytes = matches!(actual, Value::Bytes(_));
    let list = bytes || matches!(actual, Value::List(_));
    let object = matches!(actual, Value::Nodeset(_) | Value::Object(_));
    let number = matches!(actual, Value::Number(_));
    let float = matches!(actual, Value::Number(Number::Float(_)));
    match kind {
        P::IsInteger => Ok(number && !float),
        P::IsFloat => Ok(float),
        P::IsNumber => Ok(number),
        P::IsBoolean => Ok(matches!(actual, Value::Bool(_))),
        P::IsString => Ok(matches!(actual, Value::String(_))),
        P::IsCollection => Ok(list || object),
        P::IsList => Ok(list),
        P::IsObject => Ok(object),
        P::IsDate => Ok(matches!(actual, Value::Date(_))),
        P::IsIsoDate => text(dates::is_iso),
        P::IsEmpty => actual.count().map(|count| count == 0),
        P::IsIpv4 => text(|t| t.parse::<std::net::Ipv4Addr>().is_ok()),
        P::IsIpv6 => text(|t| t.parse::<std::net::Ipv6Addr>().is_ok()),
        P::IsUuid => text(|t| uuid::Uuid::try_parse(t).is_ok()),
        _ => Ok(!matches!(actual, Value::Nodeset(0))),
    }
}

fn expectation(kind: &PredicateKind, operand: Option<&Value>) -> String {
    use PredicateKind as P;
    let value = || operand.map(Value::describe).unwrap_or_default();
    match kind {
        P::Equal(_) => value(),
        P::NotEqual(_) => format!("anything but {}", value()),
        P::Greater(_) => format!("greater than {}", value()),
        P::GreaterOrEqual(_) => format!("greater than or equal to {}", value()),
        P::Less(_) => format!("less than {}", value()),
        P::LessOrEqual(_) => format!("less than or equal to {}", value()),
        P::StartsWith(_) => format!("starts with {}", value()),
        P::EndsWith(_) => format!("ends with {}", value()),
        P::Contains(_) => format!("contains {}", value()),
        P::Includes(_) => format!("includes {}", value()),
        P::Matches(_) => format!("matches {}", value()),
        P::IsInteger => "integer".to_string(),
        P::IsFloat => "float".to_string(),
        P::IsNumber => "number".to_string(),
        P::IsBoolean => "boolean".to_string(),
        P::IsString => "string".to_string(),
        P::IsCollection => "collection".to_string(),
        P::IsList => "list".to_string(),
        P::IsObject => "object".to_string(),
        P::IsDate => "date".to_string(),
        P::IsIsoDate => "text with a date as in RFC 3339".to_string(),
        P::IsEmpty => "no elements".to_string(),
        P::IsIpv4 => "IPv4 address".to_string(),
        P::IsIpv6 => "IPv6 address".to_string(),
        P::IsUuid => "UUID".to_string(),
        P::Exists => "something".to_string(),
    }
}
