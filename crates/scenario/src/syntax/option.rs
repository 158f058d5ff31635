//! The `[Options]` section: the options of Hurl 8.1, which has six more than 8.0.

use super::ast::{EntryOption, OptionValue, Setting, VariableValue};
use super::error::{Parse, ParseError};
use super::reader::Reader;
use super::{number, text};
use crate::settings::Count;

/// How the value of an option is written.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Path,
    Bool,
    Duration,
    Natural,
    Count,
    Variable,
    Verbosity,
}

const OPTIONS: [(&str, Shape); 48] = [
    ("aws-sigv4", Shape::Text),
    ("cacert", Shape::Path),
    ("cert", Shape::Path),
    ("compressed", Shape::Bool),
    ("connect-timeout", Shape::Duration),
    ("connect-to", Shape::Text),
    ("delay", Shape::Duration),
    ("digest", Shape::Bool),
    ("fail-with-body", Shape::Bool),
    ("header", Shape::Text),
    ("http1.0", Shape::Bool),
    ("http1.1", Shape::Bool),
    ("http2", Shape::Bool),
    ("http2-prior-knowledge", Shape::Bool),
    ("http3", Shape::Bool),
    ("insecure", Shape::Bool),
    ("ipv4", Shape::Bool),
    ("ipv6", Shape::Bool),
    ("key", Shape::Path),
    ("limit-rate", Shape::Natural),
    ("location", Shape::Bool),
    ("location-trusted", Shape::Bool),
    ("max-redirs", Shape::Count),
    ("max-time", Shape::Duration),
    ("negotiate", Shape::Bool),
    ("netrc", Shape::Bool),
    ("netrc-file", Shape::Text),
    ("netrc-optional", Shape::Bool),
    ("no-header", Shape::Text),
    ("no-jsonpath-coercion", Shape::Bool),
    ("ntlm", Shape::Bool),
    ("output", Shape::Path),
    ("path-as-is", Shape::Bool),
    ("pinnedpubkey", Shape::Text),
    ("proxy", Shape::Text),
    ("repeat", Shape::Count),
    ("resolve", Shape::Text),
    ("retry", Shape::Count),
    ("retry-interval", Shape::Duration),
    ("skip", Shape::Bool),
    ("tls-max", Shape::Text),
    ("tls-min", Shape::Text),
    ("unix-socket", Shape::Text),
    ("user", Shape::Text),
    ("variable", Shape::Variable),
    ("verbose", Shape::Bool),
    ("verbosity", Shape::Verbosity),
    ("very-verbose", Shape::Bool),
];

/// The names of all options that the format has.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, _)| *name)
}

pub(super) fn option(reader: &mut Reader) -> Parse<EntryOption> {
    reader.blank_lines()?;
    reader.spaces();
    let pos = reader.pos();
    let written = reader.read_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    reader.spaces();
    reader.try_literal(":")?;
    reader.spaces();
    let Some((name, shape)) = OPTIONS.into_iter().find(|(name, _)| *name == written) else {
        return Err(
            ParseError::fatal(pos, format!("`{written}` is not an option of Hurl"))
                .hint("the names are those of the command line, such as location or max-time"),
        );
    };
    let value = value(reader, shape)?;
    reader.line_end()?;
    Ok(EntryOption { pos, name, value })
}

fn value(reader: &mut Reader, shape: Shape) -> Parse<OptionValue> {
    Ok(match shape {
        Shape::Text => OptionValue::Text(text::unquoted(reader)?),
        Shape::Path => OptionValue::Text(text::filename(reader)?),
        Shape::Bool => OptionValue::Bool(setting(reader, number::boolean, "true or false")?),
        Shape::Natural => {
            setting(reader, number::natural, "an integer >= 0")?;
            OptionValue::Natural
        }
        Shape::Count => OptionValue::Count(setting(reader, count, "an integer >= -1")?),
        Shape::Duration => OptionValue::Duration(duration_setting(reader)?),
        Shape::Variable => variable(reader)?,
        Shape::Verbosity => verbosity(reader)?,
    })
}

/// A literal, or else a placeholder.
fn setting<T>(
    reader: &mut Reader,
    literal: fn(&mut Reader) -> Parse<T>,
    expecting: &str,
) -> Parse<Setting<T>> {
    let start = reader.cursor();
    if let Ok(value) = literal(reader) {
        return Ok(Setting::Literal(value));
    }
    reader.seek(start);
    let expr =
        text::placeholder(reader).map_err(|e| ParseError::fatal(e.pos, format!("expecting {expecting}")))?;
    Ok(Setting::Expr(expr))
}

fn count(reader: &mut Reader) -> Parse<Count> {
    let pos = reader.pos();
    match number::integer(reader)? {
        -1 => Ok(Count::Infinite),
        n => u64::try_from(n)
            .map(Count::Finite)
            .map_err(|_| ParseError::fatal(pos, "expecting a count")),
    }
}

fn duration_setting(reader: &mut Reader) -> Parse<Setting<u64>> {
    match reader.optional(duration)? {
        Some(millis) => Ok(Setting::Literal(millis)),
        None => {
            let expecting = |e: ParseError| {
                ParseError::fatal(e.pos, "expecting a duration").hint("such as 500, 500ms, 2s, 1m or 1h")
            };
            Ok(Setting::Expr(text::placeholder(reader).map_err(expecting)?))
        }
    }
}

/// In milliseconds.
fn duration(reader: &mut Reader) -> Parse<u64> {
    let value = number::natural(reader)?;
    let pos = reader.pos();
    let unit = reader.read_while(|c| c.is_ascii_alphabetic());
    let factor = match unit.as_str() {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => {
            return Err(ParseError::fatal(pos, format!("`{unit}` is not a unit of time"))
                .hint("known are ms, s, m and h"));
        }
    };
    Ok(value.saturating_mul(factor))
}

fn variable(reader: &mut Reader) -> Parse<OptionValue> {
    let pos = reader.pos();
    let name = reader.read_while(text::is_name);
    if name.is_empty() {
        return Err(ParseError::fatal(pos, "expecting the name of a variable"));
    }
    if ["getEnv", "newDate", "newUuid"].contains(&name.as_str()) {
        return Err(ParseError::fatal(
            pos,
            format!("{name} is a function; use another name"),
        ));
    }
    reader.spaces();
    reader.literal("=")?;
    reader.spaces();
    Ok(OptionValue::Variable {
        name,
        value: variable_value(reader)?,
    })
}

fn variable_value(reader: &mut Reader) -> Parse<VariableValue> {
    use crate::value::Value;
    let literals: [fn(&mut Reader) -> Parse<Value>; 3] = [
        |r| r.try_literal("null").map(|()| Value::Null),
        |r| number::boolean(r).map(Value::Bool),
        number::number,
    ];
    for literal in literals {
        if let Some(value) = reader.optional(|r| whole(r, literal))? {
            return Ok(VariableValue::Literal(value));
        }
    }
    if let Some(template) = reader.optional(text::quoted)? {
        return Ok(VariableValue::Template(template));
    }
    Ok(VariableValue::Template(text::unquoted(reader)?))
}

/// A literal counts only if it is the whole value: `11aa` is a text.
fn whole<T>(reader: &mut Reader, literal: fn(&mut Reader) -> Parse<T>) -> Parse<T> {
    let value = literal(reader)?;
    match reader.peek() {
        None | Some(' ' | '\t' | '\r' | '\n' | '#') => Ok(value),
        Some(_) => Err(ParseError::soft(reader.pos(), "expecting the end of the value")),
    }
}

fn verbosity(reader: &mut Reader) -> Parse<OptionValue> {
    let pos = reader.pos();
    match reader.read_while(|c| c.is_ascii_alphabetic()).as_str() {
        "brief" | "verbose" | "debug" => Ok(OptionValue::Verbosity),
        _ => Err(ParseError::fatal(pos, "expecting brief, verbose or debug")),
    }
}
