//! Text with placeholders: unquoted, quoted, in backticks, keys and file names.

use super::Pos;
use super::ast::{Expr, ExprKind, Part, Template};
use super::error::{Parse, ParseError};
use super::reader::Reader;

/// A character of a text: what it means, and whether it was written as an escape sequence.
#[derive(Clone, Copy)]
pub(super) struct Char {
    pub(super) value: char,
    pub(super) escaped: bool,
    pub(super) pos: Pos,
}

/// A value that runs to the end of the line or to a comment; trailing spaces are not part of it.
pub(super) fn unquoted(reader: &mut Reader) -> Parse<Template> {
    let start = reader.cursor();
    let (mut chars, mut spaces) = (Vec::new(), Vec::new());
    let mut end = start;
    loop {
        match any_char(reader, &['#']) {
            Err(e) if e.recoverable => break,
            Err(e) => return Err(e),
            Ok(c) if c.value == ' ' && !c.escaped => spaces.push(c),
            Ok(c) => {
                chars.append(&mut spaces);
                chars.push(c);
                end = reader.cursor();
            }
        }
    }
    reader.seek(end);
    templatize(&chars, start.pos, end.pos)
}

/// The text up to the end, as it is but for placeholders: no escape sequences, no comment.
pub(super) fn verbatim(reader: &mut Reader) -> Parse<Template> {
    let start = reader.pos();
    let mut chars = Vec::new();
    loop {
        let pos = reader.pos();
        let Some(value) = reader.read() else {
            return templatize(&chars, start, pos);
        };
        chars.push(Char {
            value,
            escaped: false,
            pos,
        });
    }
}

/// A text in double quotes, on one line.
pub(super) fn quoted(reader: &mut Reader) -> Parse<Template> {
    delimited(reader, "\"", &['"'])
}

/// A text in backticks, on one line.
pub(super) fn backtick(reader: &mut Reader) -> Parse<Template> {
    delimited(reader, "`", &['`', '\n'])
}

fn delimited(reader: &mut Reader, delimiter: &str, except: &[char]) -> Parse<Template> {
    let start = reader.pos();
    reader.try_literal(delimiter)?;
    let mut chars = Vec::new();
    let mut end = reader.pos();
    loop {
        let before = reader.cursor();
        match any_char(reader, except) {
            Err(e) if e.recoverable => {
                reader.seek(before);
                break;
            }
            Err(e) => return Err(e),
            Ok(c) => {
                chars.push(c);
                end = reader.pos();
            }
        }
    }
    reader
        .literal(delimiter)
        .map_err(|e| e.hint("close the text on the same line, or escape the character"))?;
    templatize(&chars, start, end)
}

fn any_char(reader: &mut Reader, except: &[char]) -> Parse<Char> {
    let pos = reader.pos();
    let stop = ['\\', '\x08', '\n', '\x0c', '\r', '\t'];
    if reader.take("\\") {
        return Ok(Char {
            value: escape(reader, &[('#', '#'), ('"', '"'), ('`', '`')])?,
            escaped: true,
            pos,
        });
    }
    match reader.read() {
        Some(c) if !except.contains(&c) && !stop.contains(&c) => Ok(Char {
            value: c,
            escaped: false,
            pos,
        }),
        _ => Err(ParseError::soft(pos, "expecting a character")),
    }
}

/// The rest of an escape sequence: the common ones, and those that are particular to the place.
fn escape(reader: &mut Reader, particular: &[(char, char)]) -> Parse<char> {
    let pos = reader.pos();
    let c = reader.read();
    if let Some((_, value)) = particular.iter().find(|(name, _)| Some(*name) == c) {
        return Ok(*value);
    }
    match c {
        Some('\\') => Ok('\\'),
        Some('/') => Ok('/'),
        Some('b') => Ok('\x08'),
        Some('n') => Ok('\n'),
        Some('f') => Ok('\x0c'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('u') => unicode(reader),
        _ => Err(ParseError::fatal(pos, "the escape sequence is not known")
            .hint("known are \\\" \\\\ \\b \\f \\n \\r \\t \\u{...}, and \\# in unquoted text")),
    }
}

fn unicode(reader: &mut Reader) -> Parse<char> {
    reader.literal("{")?;
    let pos = reader.pos();
    let digits = reader.read_while(|c| c.is_ascii_hexdigit());
    if digits.is_empty() {
        return Err(ParseError::fatal(pos, "expecting a hexadecimal digit"));
    }
    let value = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    let value = value.ok_or_else(|| ParseError::fatal(pos, "not the number of a Unicode character"))?;
    reader.literal("}")?;
    Ok(value)
}

/// Finds the placeholders in a text.
pub(super) fn templatize(chars: &[Char], pos: Pos, end: Pos) -> Parse<Template> {
    let (mut parts, mut text) = (Vec::new(), String::new());
    let is = |c: Option<&Char>, wanted: char| c.is_some_and(|c| c.value == wanted && !c.escaped);
    let mut i = 0;
    while let Some(c) = chars.get(i) {
        if !is(Some(c), '{') || !is(chars.get(i + 1), '{') {
            text.push(c.value);
            i += 1;
            continue;
        }
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        let inside = i + 2;
        let (inner, next) = closing(chars, inside).ok_or_else(|| {
            ParseError::fatal(end, "expecting `}}`")
                .hint("close the placeholder, or write \\u{7b} for a brace")
        })?;
        parts.push(Part::Expr(placeholder_text(
            &chars[inside..inner],
            chars[inside].pos,
        )?));
        i = next;
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(Template { pos, parts })
}

/// Where the inside of a placeholder ends, and where the text after it begins. The published tool takes the
/// next two closing braces, together or not.
fn closing(chars: &[Char], from: usize) -> Option<(usize, usize)> {
    let mut braces = (from..chars.len()).filter(|&i| chars[i].value == '}' && !chars[i].escaped);
    Some((braces.next()?, braces.next()? + 1))
}

fn placeholder_text(inner: &[Char], pos: Pos) -> Parse<Expr> {
    let text: String = inner.iter().map(|c| c.value).collect();
    let mut reader = Reader::starting_at(&text, pos);
    reader.spaces();
    let expr = expression(&mut reader)?;
    reader.spaces();
    Ok(expr)
}

/// `{{ name }}` where a placeholder stands alone.
pub(super) fn placeholder(reader: &mut Reader) -> Parse<Expr> {
    reader.try_literal("{{")?;
    reader.spaces();
    let expr = expression(reader)?;
    reader.spaces();
    reader.literal("}}")?;
    Ok(expr)
}

fn expression(reader: &mut Reader) -> Parse<Expr> {
    let pos = reader.pos();
    let name = reader.read_while(is_name);
    let kind = match name.as_str() {
        "" => {
            return Err(ParseError::fatal(pos, "expecting the name of a variable")
                .hint("a name has letters, digits, `_` and `-`"));
        }
        "newDate" => ExprKind::NewDate,
        "newUuid" => ExprKind::NewUuid,
        _ => ExprKind::Variable(name),
    };
    Ok(Expr { pos, kind })
}

pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// A key of a header, parameter, cookie or capture.
pub(super) fn key(reader: &mut Reader) -> Parse<Template> {
    let start = reader.pos();
    let wanted = |c: char| c.is_alphanumeric() || "_-.[]@$".contains(c);
    let template = pieces(reader, &[('#', '#'), (':', ':')], wanted)?;
    if template.parts.is_empty() || reader_began_with_bracket(&template) {
        return Err(ParseError::fatal(start, "expecting a key"));
    }
    Ok(template)
}

/// The path in `file,...;`.
pub(super) fn filename(reader: &mut Reader) -> Parse<Template> {
    let start = reader.pos();
    let escapes = [
        ('#', '#'),
        (';', ';'),
        (' ', ' '),
        ('{', '{'),
        ('}', '}'),
        (':', ':'),
    ];
    let wanted = |c: char| !['#', ';', '{', '}', ' ', '\n', '\r', '\\'].contains(&c);
    let template = pieces(reader, &escapes, wanted)?;
    if template.parts.is_empty() || reader_began_with_bracket(&template) {
        return Err(ParseError::fatal(start, "expecting a file name"));
    }
    Ok(template)
}

/// What begins with a bracket is a section or a list.
fn reader_began_with_bracket(template: &Template) -> bool {
    matches!(template.parts.first(), Some(Part::Text(text)) if text.starts_with('['))
}

fn pieces(reader: &mut Reader, escapes: &[(char, char)], wanted: impl Fn(char) -> bool) -> Parse<Template> {
    let pos = reader.pos();
    let mut parts = Vec::new();
    loop {
        if let Some(expr) = reader.optional(placeholder)? {
            parts.push(Part::Expr(expr));
            continue;
        }
        let mut text = String::new();
        loop {
            if reader.take("\\") {
                text.push(escape(reader, escapes)?);
                continue;
            }
            let more = reader.read_while(&wanted);
            if more.is_empty() {
                break;
            }
            text.push_str(&more);
        }
        if text.is_empty() {
            return Ok(Template { pos, parts });
        }
        parts.push(Part::Text(text));
    }
}
