//! Predicates: what a value is compared with.

use super::ast::{Predicate, PredicateKind, PredicateValue};
use super::error::{Parse, ParseError};
use super::query::regex_literal;
use super::reader::Reader;
use super::{body, number, text};
use crate::value::Value;

pub(super) fn predicate(reader: &mut Reader) -> Parse<Predicate> {
    let start = reader.cursor();
    let not = reader.take("not") && reader.spaces() > 0;
    if !not {
        reader.seek(start);
    }
    let pos = reader.pos();
    Ok(Predicate {
        not,
        pos,
        kind: kind(reader)?,
    })
}

/// The order decides where one name begins another.
const NAMES: [&str; 26] = [
    "==",
    "!=",
    ">=",
    ">",
    "<=",
    "<",
    "startsWith",
    "endsWith",
    "contains",
    "includes",
    "matches",
    "isInteger",
    "isFloat",
    "isBoolean",
    "isString",
    "isCollection",
    "isList",
    "isObject",
    "isDate",
    "isIsoDate",
    "exists",
    "isEmpty",
    "isNumber",
    "isIpv4",
    "isIpv6",
    "isUuid",
];

fn kind(reader: &mut Reader) -> Parse<PredicateKind> {
    let pos = reader.pos();
    let Some(name) = NAMES.into_iter().find(|name| reader.take(name)) else {
        return Err(ParseError::fatal(pos, "expecting a predicate")
            .hint("such as == \"text\", > 10, contains \"text\", exists or isInteger"));
    };
    Ok(match name {
        "==" => PredicateKind::Equal(operand(reader, any)?),
        "!=" => PredicateKind::NotEqual(operand(reader, any)?),
        ">=" => PredicateKind::GreaterOrEqual(operand(reader, ordered)?),
        ">" => PredicateKind::Greater(operand(reader, ordered)?),
        "<=" => PredicateKind::LessOrEqual(operand(reader, ordered)?),
        "<" => PredicateKind::Less(operand(reader, ordered)?),
        "startsWith" => PredicateKind::StartsWith(spaced(reader, text_or_bytes)?),
        "endsWith" => PredicateKind::EndsWith(spaced(reader, text_or_bytes)?),
        "contains" => PredicateKind::Contains(spaced(reader, any)?),
        "includes" => PredicateKind::Includes(spaced(reader, any)?),
        "matches" => PredicateKind::Matches(spaced(reader, pattern)?),
        "isInteger" => PredicateKind::IsInteger,
        "isFloat" => PredicateKind::IsFloat,
        "isBoolean" => PredicateKind::IsBoolean,
        "isString" => PredicateKind::IsString,
        "isCollection" => PredicateKind::IsCollection,
        "isList" => PredicateKind::IsList,
        "isObject" => PredicateKind::IsObject,
        "isDate" => PredicateKind::IsDate,
        "isIsoDate" => PredicateKind::IsIsoDate,
        "exists" => PredicateKind::Exists,
        "isEmpty" => PredicateKind::IsEmpty,
        "isNumber" => PredicateKind::IsNumber,
        "isIpv4" => PredicateKind::IsIpv4,
        "isIpv6" => PredicateKind::IsIpv6,
        _ => PredicateKind::IsUuid,
    })
}

fn any(_: &PredicateValue) -> bool {
    true
}

fn ordered(value: &PredicateValue) -> bool {
    matches!(
        value,
        PredicateValue::Literal(Value::Number(_)) | PredicateValue::Template(_) | PredicateValue::Expr(_)
    )
}

fn text_or_bytes(value: &PredicateValue) -> bool {
    matches!(
        value,
        PredicateValue::Template(_) | PredicateValue::Literal(Value::Bytes(_))
    )
}

fn pattern(value: &PredicateValue) -> bool {
    matches!(value, PredicateValue::Template(_) | PredicateValue::Regex(_))
}

fn spaced(reader: &mut Reader, fits: fn(&PredicateValue) -> bool) -> Parse<PredicateValue> {
    reader.one_or_more_spaces()?;
    operand(reader, fits)
}

fn operand(reader: &mut Reader, fits: fn(&PredicateValue) -> bool) -> Parse<PredicateValue> {
    reader.spaces();
    let pos = reader.pos();
    let value = value(reader)?;
    if fits(&value) {
        Ok(value)
    } else {
        Err(ParseError::fatal(
            pos,
            "this kind of value does not go with the predicate",
        ))
    }
}

fn value(reader: &mut Reader) -> Parse<PredicateValue> {
    let pos = reader.pos();
    if reader.take("null") {
        return Ok(PredicateValue::Literal(Value::Null));
    }
    let alternatives: [fn(&mut Reader) -> Parse<PredicateValue>; 10] = [
        |r| number::boolean(r).map(|v| PredicateValue::Literal(Value::Bool(v))),
        |r| number::number(r).map(PredicateValue::Literal),
        |r| body::file(r).map(PredicateValue::File),
        |r| body::hex(r).map(|(v, _)| PredicateValue::Literal(Value::Bytes(v.into()))),
        |r| body::base64(r).map(|(v, _)| PredicateValue::Literal(Value::Bytes(v.into()))),
        |r| text::placeholder(r).map(PredicateValue::Expr),
        |r| text::quoted(r).map(PredicateValue::Template),
        // A text between fences is neither a pattern nor a prefix, unlike one in quotes.
        |r| body::multiline(r).map(|(kind, _)| PredicateValue::Multiline(kind)),
        |r| text::backtick(r).map(PredicateValue::Template),
        |r| regex_literal(r).map(PredicateValue::Regex),
    ];
    for alternative in alternatives {
        if let Some(value) = reader.optional(alternative)? {
            return Ok(value);
        }
    }
    Err(ParseError::fatal(pos, "expecting a value")
        .hint("a text stands in double quotes, a pattern in slashes, a variable in double braces"))
}
