//! Queries: what of an answer is looked at.

use regex::Regex;

use super::Pos;
use super::ast::{CookieAttribute, Invalid, Pattern, Query, QueryKind, Template};
use super::error::{Parse, ParseError};
use super::reader::Reader;
use super::text;
use crate::jsonpath::JsonPath;
use crate::xpath::XPath;

pub(super) fn query(reader: &mut Reader) -> Parse<Query> {
    let pos = reader.pos();
    Ok(Query {
        pos,
        kind: kind(reader)?,
    })
}

/// Names of the queries. The order decides where one name begins another.
const NAMES: [&str; 18] = [
    "status",
    "version",
    "url",
    "header",
    "cookie",
    "body",
    "xpath",
    "jsonpath",
    "regex",
    "variable",
    "duration",
    "bytes",
    "rawbytes",
    "sha256",
    "md5",
    "certificate",
    "ip",
    "redirects",
];

fn kind(reader: &mut Reader) -> Parse<QueryKind> {
    let pos = reader.pos();
    let name = NAMES.into_iter().find(|name| reader.take(name));
    Ok(match name {
        Some("status") => QueryKind::Status,
        Some("version") => QueryKind::Version,
        Some("url") => QueryKind::Url,
        Some("header") => QueryKind::Header(argument(reader)?),
        Some("cookie") => cookie(reader)?,
        Some("body") => QueryKind::Body,
        Some("xpath") => QueryKind::XPath(xpath(argument(reader)?)),
        Some("jsonpath") => QueryKind::JsonPath(jsonpath(argument(reader)?)),
        Some("regex") => {
            reader.one_or_more_spaces()?;
            QueryKind::Regex(regex_pattern(reader)?)
        }
        Some("variable") => QueryKind::Variable(argument(reader)?),
        Some("duration") => QueryKind::Duration,
        Some("bytes") => QueryKind::Bytes,
        Some("rawbytes") => QueryKind::RawBytes,
        Some("sha256") => QueryKind::Sha256,
        Some("md5") => QueryKind::Md5,
        Some("certificate") => {
            reader.one_or_more_spaces()?;
            certificate_field(reader)?;
            QueryKind::Certificate
        }
        Some("ip") => QueryKind::Ip,
        Some("redirects") => QueryKind::Redirects,
        _ => {
            return Err(ParseError::soft(pos, "expecting a query")
                .hint("such as status, header \"name\", jsonpath \"$.id\" or body"));
        }
    })
}

/// A space and a quoted text.
pub(super) fn argument(reader: &mut Reader) -> Parse<Template> {
    reader.one_or_more_spaces()?;
    text::quoted(reader).map_err(ParseError::into_fatal)
}

pub(super) fn xpath(template: Template) -> Pattern<XPath> {
    Pattern::new(template, |text| XPath::parse(text).map_err(|_| Invalid))
}

pub(super) fn jsonpath(template: Template) -> Pattern<JsonPath> {
    Pattern::new(template, |text| JsonPath::parse(text).map_err(|_| Invalid))
}

/// `"pattern"` or `/pattern/`.
pub(super) fn regex_pattern(reader: &mut Reader) -> Parse<Pattern<Regex>> {
    let pos = reader.pos();
    if let Some(template) = reader.optional(text::quoted)? {
        return Ok(Pattern::new(template, |text| {
            Regex::new(text).map_err(|_| Invalid)
        }));
    }
    let regex = regex_literal(reader).map_err(|e| {
        if e.recoverable {
            ParseError::fatal(pos, "expecting a pattern in \" or /")
        } else {
            e
        }
    })?;
    let template = Template {
        pos,
        parts: Vec::new(),
    };
    Ok(Pattern {
        template,
        compiled: Some(Ok(regex)),
    })
}

/// `/pattern/`; only the slash is escaped by Hurl, the rest belongs to the pattern.
pub(super) fn regex_literal(reader: &mut Reader) -> Parse<Regex> {
    reader.try_literal("/")?;
    let pos = reader.pos();
    let mut pattern = String::new();
    loop {
        match reader.read() {
            None => return Err(ParseError::fatal(reader.pos(), "the pattern is not closed by /")),
            Some('/') => break,
            Some('\\') if reader.take("/") => pattern.push('/'),
            Some(c) => pattern.push(c),
        }
    }
    Regex::new(&pattern).map_err(|e| {
        let text = e.to_string();
        let reason = text
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        ParseError::fatal(pos, format!("not a regular expression: {reason}"))
    })
}

fn cookie(reader: &mut Reader) -> Parse<QueryKind> {
    reader.one_or_more_spaces()?;
    reader.literal("\"")?;
    let start = reader.pos();
    let path = reader.read_while(|c| c != '"' && c != '\n');
    reader.literal("\"")?;
    let (name, rest) = match path.find('[') {
        Some(bracket) => path.split_at(bracket),
        None => (path.as_str(), ""),
    };
    let template = text::unquoted(&mut Reader::starting_at(name, start))?;
    let column = start.column + u32::try_from(name.chars().count()).unwrap_or_default();
    let attribute = cookie_attribute(&mut Reader::starting_at(rest, Pos { column, ..start }))?;
    Ok(QueryKind::Cookie {
        name: template,
        attribute,
    })
}

fn cookie_attribute(reader: &mut Reader) -> Parse<CookieAttribute> {
    if !reader.take("[") {
        return Ok(CookieAttribute::Value);
    }
    reader.spaces();
    let pos = reader.pos();
    let name = reader.read_while(|c| c.is_alphabetic() || c == '-');
    let attribute = match name.to_lowercase().as_str() {
        "value" => CookieAttribute::Value,
        "expires" => CookieAttribute::Expires,
        "max-age" => CookieAttribute::MaxAge,
        "domain" => CookieAttribute::Domain,
        "path" => CookieAttribute::Path,
        "secure" => CookieAttribute::Secure,
        "httponly" => CookieAttribute::HttpOnly,
        "samesite" => CookieAttribute::SameSite,
        _ => {
            return Err(ParseError::fatal(pos, "not an attribute of a cookie")
                .hint("known are Value, Expires, Max-Age, Domain, Path, Secure, HttpOnly and SameSite"));
        }
    };
    reader.spaces();
    reader.literal("]")?;
    Ok(attribute)
}

fn certificate_field(reader: &mut Reader) -> Parse<()> {
    reader.literal("\"")?;
    let fields = [
        "Subject",
        "Issuer",
        "Start-Date",
        "Expire-Date",
        "Serial-Number",
        "Subject-Alt-Name",
        "Value",
    ];
    let pos = reader.pos();
    if fields.iter().any(|name| reader.take(&format!("{name}\""))) {
        return Ok(());
    }
    Err(ParseError::fatal(pos, "not a field of a certificate")
        .hint(format!("known are {}", fields.join(", "))))
}
