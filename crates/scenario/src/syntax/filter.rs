//! Filters: what is done to a value before it is captured or compared.

use super::ast::{Filter, FilterKind, Setting};
use super::error::{Parse, ParseError};
use super::query::{argument, jsonpath, regex_pattern, xpath};
use super::reader::Reader;
use super::{number, text};
use crate::support::FILTERS;

/// Filters one after the other, each after a space.
pub(super) fn filters(reader: &mut Reader) -> Parse<Vec<Filter>> {
    let mut filters = Vec::new();
    while let Some(filter) = reader.optional(|r| {
        let pos = r.pos();
        if r.spaces() == 0 {
            return Err(ParseError::soft(pos, "expecting a space"));
        }
        filter(r)
    })? {
        filters.push(filter);
    }
    Ok(filters)
}

fn filter(reader: &mut Reader) -> Parse<Filter> {
    let pos = reader.pos();
    // Where one name begins another, the longer one is meant.
    let named = FILTERS.into_iter().filter(|name| reader.starts_with(name));
    let Some(name) = named.max_by_key(|name| name.len()) else {
        return Err(ParseError::soft(pos, "expecting a filter"));
    };
    reader.take(name);
    Ok(Filter {
        pos,
        kind: kind(name, reader)?,
    })
}

#[allow(
    clippy::too_many_lines,
    reason = "one table: a name, and the filter it stands for"
)]
fn kind(name: &str, reader: &mut Reader) -> Parse<FilterKind> {
    Ok(match name {
        "base64Decode" => FilterKind::Base64Decode,
        "base64Encode" => FilterKind::Base64Encode,
        "base64UrlSafeDecode" => FilterKind::Base64UrlSafeDecode,
        "base64UrlSafeEncode" => FilterKind::Base64UrlSafeEncode,
        "charsetDecode" | "decode" => FilterKind::CharsetDecode(argument(reader)?),
        "count" => FilterKind::Count,
        "daysAfterNow" => FilterKind::DaysAfterNow,
        "daysBeforeNow" => FilterKind::DaysBeforeNow,
        "dateFormat" | "format" => FilterKind::DateFormat(argument(reader)?),
        "first" => FilterKind::First,
        "htmlEscape" => FilterKind::HtmlEscape,
        "htmlUnescape" => FilterKind::HtmlUnescape,
        "jsonpath" => FilterKind::JsonPath(jsonpath(argument(reader)?)),
        "last" => FilterKind::Last,
        "location" => FilterKind::Location,
        "nth" => FilterKind::Nth(nth(reader)?),
        "regex" => {
            reader.one_or_more_spaces()?;
            FilterKind::Regex(regex_pattern(reader)?)
        }
        "replace" => FilterKind::Replace {
            old: argument(reader)?,
            new: argument(reader)?,
        },
        "replaceRegex" => {
            reader.one_or_more_spaces()?;
            FilterKind::ReplaceRegex {
                pattern: regex_pattern(reader)?,
                new: argument(reader)?,
            }
        }
        "split" => FilterKind::Split(argument(reader)?),
        "toDate" => FilterKind::ToDate(argument(reader)?),
        "toFloat" => FilterKind::ToFloat,
        "toHex" => FilterKind::ToHex,
        "toInt" => FilterKind::ToInt,
        "toString" => FilterKind::ToString,
        "urlDecode" => FilterKind::UrlDecode,
        "urlEncode" => FilterKind::UrlEncode,
        "urlQueryParam" => FilterKind::UrlQueryParam(argument(reader)?),
        "utf8Decode" => FilterKind::Utf8Decode,
        "utf8Encode" => FilterKind::Utf8Encode,
        _ => FilterKind::XPath(xpath(argument(reader)?)),
    })
}

fn nth(reader: &mut Reader) -> Parse<Setting<i64>> {
    reader.one_or_more_spaces()?;
    let start = reader.cursor();
    if let Ok(value) = number::integer(reader) {
        return Ok(Setting::Literal(value));
    }
    reader.seek(start);
    let expr = text::placeholder(reader).map_err(|e| ParseError::fatal(e.pos, "expecting an integer"))?;
    Ok(Setting::Expr(expr))
}
