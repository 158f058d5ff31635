//! The functions of RFC 9535, section 2.4: reading their calls.

use regex::Regex;

use super::parse::{Parse, Parser};
use super::{Comparable, InvalidPath, Logical, Pattern, Query};

/// `length`, `count`, `value`.
pub(super) fn value(parser: &mut Parser<'_>) -> Parse<Option<Comparable>> {
    let comparable = if parser.take("length") {
        Comparable::Length(Box::new(in_parentheses(parser, argument)?))
    } else if parser.take("count") {
        Comparable::Count(in_parentheses(parser, nodes)?)
    } else if parser.take("value") {
        Comparable::Value(in_parentheses(parser, nodes)?)
    } else {
        return Ok(None);
    };
    Ok(Some(comparable))
}

/// `match`, `search`.
pub(super) fn logical(parser: &mut Parser<'_>) -> Parse<Option<Logical>> {
    let whole = parser.take("match");
    if !whole && !parser.take("search") {
        return Ok(None);
    }
    let (text, pattern) = in_parentheses(parser, |parser| {
        let text = argument(parser)?;
        parser.spaces();
        parser.expect(",")?;
        parser.spaces();
        Ok((text, pattern(parser, whole)?))
    })?;
    Ok(Some(Logical::Match { text, pattern, whole }))
}

fn in_parentheses<T>(parser: &mut Parser<'_>, inside: impl FnOnce(&mut Parser<'_>) -> Parse<T>) -> Parse<T> {
    parser.expect("(")?;
    parser.spaces();
    let inside = inside(parser)?;
    parser.spaces();
    parser.expect(")")?;
    Ok(inside)
}

fn argument(parser: &mut Parser<'_>) -> Parse<Comparable> {
    parser.comparable()?.ok_or(InvalidPath)
}

fn nodes(parser: &mut Parser<'_>) -> Parse<Query> {
    parser.filter_query()?.ok_or(InvalidPath)
}

fn pattern(parser: &mut Parser<'_>, whole: bool) -> Parse<Pattern> {
    match parser.string()? {
        Some(text) => Ok(Pattern::Literal(compile(&text, whole).ok_or(InvalidPath)?)),
        None => Ok(Pattern::Computed(argument(parser)?)),
    }
}

/// The pattern as written must be valid by itself, before it is anchored.
pub(super) fn compile(pattern: &str, whole: bool) -> Option<Regex> {
    let regex = Regex::new(pattern).ok()?;
    if whole {
        Regex::new(&format!("^{pattern}$")).ok()
    } else {
        Some(regex)
    }
}
