//! A JSON body in a Hurl file: JSON with placeholders, kept as it is written.

use super::ast::{JsonPart, Part};
use super::error::{Parse, ParseError};
use super::reader::Reader;
use super::text::{self, Char};

/// Deeper nesting is refused, so that a hostile file cannot exhaust the stack.
const MAX_DEPTH: usize = 128;

/// Collects the pieces of a JSON text, with or without the white space between its tokens.
struct Collector {
    parts: Vec<JsonPart>,
    keep_space: bool,
}

/// Reads one JSON value as pieces of text.
pub(super) fn json(reader: &mut Reader) -> Parse<Vec<JsonPart>> {
    let mut out = Collector {
        parts: Vec::new(),
        keep_space: true,
    };
    value(reader, &mut out, 0)?;
    Ok(out.parts)
}

/// Reads an object, without the space between its tokens: the variables of a GraphQL body.
pub(super) fn compact_object(reader: &mut Reader) -> Parse<Vec<JsonPart>> {
    let mut out = Collector {
        parts: Vec::new(),
        keep_space: false,
    };
    object(reader, &mut out, 0)?;
    Ok(out.parts)
}

/// Whether a text may stand for a JSON value by itself: it begins with a number, a Boolean or null.
pub(crate) fn is_bare_json_text(rendered: &str) -> bool {
    let mut reader = Reader::new(rendered);
    let mut out = Collector {
        parts: Vec::new(),
        keep_space: true,
    };
    ["true", "false", "null"]
        .iter()
        .any(|word| rendered.starts_with(word))
        || number(&mut reader, &mut out).is_ok()
}

impl Collector {
    fn text(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(JsonPart::Text(last)) => last.push_str(text),
            _ => self.parts.push(JsonPart::Text(text.to_string())),
        }
    }

    fn space(&mut self, reader: &mut Reader) {
        let space = reader.read_while(is_space);
        if self.keep_space {
            self.text(&space);
        }
    }

    /// A text in quotes, its escapes as written.
    fn string(&mut self, reader: &mut Reader) -> Parse<()> {
        let (chars, sources) = string(reader)?;
        let first = chars.first().map_or_else(|| reader.pos(), |c| c.pos);
        let template = text::templatize(&chars, first, reader.pos())?;
        self.text("\"");
        // The pieces of text are taken from the source, because the value would lose its escapes. A
        // placeholder begins at an unescaped `{{`, so that the two walk in step.
        let mut sources = sources.into_iter();
        for part in template.parts {
            match part {
                Part::Text(text) => {
                    let source: String = sources.by_ref().take(text.chars().count()).collect();
                    self.text(&source);
                }
                Part::Expr(expr) => {
                    let mut braces = 0;
                    while braces < 2 {
                        match sources.next() {
                            Some(source) if source == "}" => braces += 1,
                            Some(_) => {}
                            None => break,
                        }
                    }
                    self.parts.push(JsonPart::InString(expr));
                }
            }
        }
        self.text("\"");
        Ok(())
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn value(reader: &mut Reader, out: &mut Collector, depth: usize) -> Parse<()> {
    for word in ["null", "true", "false"] {
        if reader.take(word) {
            out.text(word);
            return Ok(());
        }
    }
    let start = reader.cursor();
    let alternatives: [fn(&mut Reader, &mut Collector) -> Parse<()>; 3] = [
        |r, out| out.string(r),
        number,
        |r, out| {
            out.parts.push(JsonPart::Bare(text::placeholder(r)?));
            Ok(())
        },
    ];
    for alternative in alternatives {
        match alternative(reader, out) {
            Err(e) if e.recoverable => reader.seek(start),
            done => return done,
        }
    }
    if reader.peek() == Some('[') {
        list(reader, out, depth)
    } else {
        object(reader, out, depth)
    }
}

/// A value where one must stand.
fn nested(reader: &mut Reader, out: &mut Collector, depth: usize) -> Parse<()> {
    let pos = reader.pos();
    if reader.peek() == Some(',') {
        return Err(ParseError::fatal(pos, "expecting a JSON value, found a comma"));
    }
    value(reader, out, depth).map_err(|e| {
        if !e.recoverable {
            return e;
        }
        ParseError::fatal(e.pos, "expecting a JSON value")
            .hint("a text stands in double quotes, a variable in double braces")
    })
}

fn string(reader: &mut Reader) -> Parse<(Vec<Char>, Vec<String>)> {
    reader.try_literal("\"")?;
    let (mut chars, mut sources) = (Vec::new(), Vec::new());
    while !reader.is_eof() && reader.peek() != Some('"') {
        let start = reader.cursor();
        let escaped = reader.take("\\");
        let value = if escaped { escape(reader)? } else { plain(reader)? };
        chars.push(Char {
            value,
            escaped,
            pos: start.pos,
        });
        sources.push(reader.since(start));
    }
    reader.literal("\"")?;
    Ok((chars, sources))
}

fn plain(reader: &mut Reader) -> Parse<char> {
    let pos = reader.pos();
    match reader.read() {
        Some(c) if !['\\', '\x08', '\n', '\x0c', '\r', '\t'].contains(&c) => Ok(c),
        _ => Err(ParseError::soft(
            pos,
            "a JSON text may not contain a control character",
        )),
    }
}

fn escape(reader: &mut Reader) -> Parse<char> {
    let pos = reader.pos();
    match reader.read() {
        Some(c @ ('"' | '\\' | '/')) => Ok(c),
        Some('b') => Ok('\x08'),
        Some('n') => Ok('\n'),
        Some('f') => Ok('\x0c'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('u') => unicode(reader),
        _ => Err(ParseError::fatal(pos, "not an escape sequence of JSON")),
    }
}

fn unicode(reader: &mut Reader) -> Parse<char> {
    let pos = reader.pos();
    let invalid = || ParseError::fatal(pos, "not the number of a Unicode character");
    let first = four_digits(reader)?;
    if !(0xd800..0xe000).contains(&first) {
        return char::from_u32(first).ok_or_else(invalid);
    }
    reader.literal("\\u")?;
    let second = four_digits(reader)?;
    if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
        return Err(invalid());
    }
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(invalid)
}

fn four_digits(reader: &mut Reader) -> Parse<u32> {
    let mut value = 0;
    for _ in 0..4 {
        let pos = reader.pos();
        let digit = reader.read().and_then(|c| c.to_digit(16));
        value =
            value * 16 + digit.ok_or_else(|| ParseError::fatal(pos, "expecting four hexadecimal digits"))?;
    }
    Ok(value)
}

fn number(reader: &mut Reader, out: &mut Collector) -> Parse<()> {
    let pos = reader.pos();
    let mut text = if reader.take("-") {
        "-".to_string()
    } else {
        String::new()
    };
    if reader.take("0") {
        text.push('0');
    } else {
        let digits = reader.read_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(ParseError::soft(pos, "expecting a number"));
        }
        text.push_str(&digits);
    }
    if reader.take(".") {
        let digits = reader.read_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(ParseError::fatal(
                reader.pos(),
                "expecting digits after the decimal point",
            ));
        }
        text = format!("{text}.{digits}");
    }
    if reader.take("e") || reader.take("E") {
        text.push('e');
        if reader.take("-") {
            text.push('-');
        } else if reader.take("+") {
            text.push('+');
        }
        text.push_str(&reader.read_while(|c| c.is_ascii_digit()));
    }
    out.text(&text);
    Ok(())
}

fn list(reader: &mut Reader, out: &mut Collector, depth: usize) -> Parse<()> {
    enter(reader, "[", out, depth)?;
    sequence(reader, ']', out, |reader, out| {
        out.space(reader);
        nested(reader, out, depth + 1)?;
        out.space(reader);
        Ok(())
    })
}

fn object(reader: &mut Reader, out: &mut Collector, depth: usize) -> Parse<()> {
    enter(reader, "{", out, depth)?;
    sequence(reader, '}', out, |reader, out| {
        out.space(reader);
        out.string(reader)
            .map_err(|e| e.into_fatal().hint("a member's name stands in double quotes"))?;
        out.space(reader);
        reader.literal(":")?;
        out.text(":");
        let pos = reader.pos();
        out.space(reader);
        if matches!(reader.peek(), Some('}') | None) {
            return Err(ParseError::fatal(pos, "expecting a JSON value after the colon"));
        }
        nested(reader, out, depth + 1)?;
        out.space(reader);
        Ok(())
    })
}

fn enter(reader: &mut Reader, bracket: &str, out: &mut Collector, depth: usize) -> Parse<()> {
    let pos = reader.pos();
    reader.try_literal(bracket)?;
    if depth >= MAX_DEPTH {
        return Err(ParseError::fatal(
            pos,
            format!("JSON is nested deeper than {MAX_DEPTH} levels"),
        ));
    }
    out.text(bracket);
    out.space(reader);
    Ok(())
}

/// Elements between commas up to the closing bracket.
fn sequence(
    reader: &mut Reader,
    close: char,
    out: &mut Collector,
    mut element: impl FnMut(&mut Reader, &mut Collector) -> Parse<()>,
) -> Parse<()> {
    if reader.peek() != Some(close) {
        element(reader, out)?;
        while reader.peek() == Some(',') {
            let pos = reader.pos();
            reader.read();
            let next = reader.rest().iter().find(|c| !is_space(**c));
            if next == Some(&close) {
                return Err(
                    ParseError::fatal(pos, "JSON allows no comma after the last element")
                        .hint("remove the comma"),
                );
            }
            out.text(",");
            element(reader, out)?;
        }
    }
    let close = close.to_string();
    reader.literal(&close)?;
    out.text(&close);
    Ok(())
}
