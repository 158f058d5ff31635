//! Bodies of requests and responses, in all their notations.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::ast::{Body, BodyKind};
use super::error::{Parse, ParseError};
use super::reader::Reader;
use super::text::{self, Char};
use super::{json, xml};

/// Reads a body with the empty lines before it and the end of its last line.
pub(super) fn body(reader: &mut Reader) -> Parse<Body> {
    reader.blank_lines()?;
    reader.spaces();
    let pos = reader.pos();
    let body = bytes(reader, pos)?;
    reader.line_end()?;
    Ok(body)
}

fn bytes(reader: &mut Reader, pos: super::Pos) -> Parse<Body> {
    if reader.starts_with("```") {
        let (kind, pos) = multiline(reader)?;
        return Ok(Body { pos, kind });
    }
    if let Some(template) = reader.optional(text::backtick)? {
        return Ok(Body {
            pos,
            kind: BodyKind::Text(template),
        });
    }
    if let Some(parts) = reader.optional(json::json)? {
        return Ok(Body {
            pos,
            kind: BodyKind::Json(parts),
        });
    }
    if reader.peek() == Some('<') {
        return Ok(Body {
            pos,
            kind: BodyKind::Xml(xml::element(reader)?),
        });
    }
    if let Some((bytes, pos)) = reader.optional(base64)? {
        return Ok(Body {
            pos,
            kind: BodyKind::Bytes(bytes),
        });
    }
    if let Some((bytes, pos)) = reader.optional(hex)? {
        return Ok(Body {
            pos,
            kind: BodyKind::Bytes(bytes),
        });
    }
    let template = file(reader)?;
    Ok(Body {
        pos,
        kind: BodyKind::File(template),
    })
}

/// `file,path;`
pub(super) fn file(reader: &mut Reader) -> Parse<super::ast::Template> {
    reader.try_literal("file")?;
    reader.literal(",")?;
    reader.spaces();
    let filename = text::filename(reader)?;
    reader.spaces();
    reader.literal(";")?;
    Ok(filename)
}

/// `hex,0a0b;`
pub(super) fn hex(reader: &mut Reader) -> Parse<(Vec<u8>, super::Pos)> {
    reader.try_literal("hex")?;
    reader.literal(",")?;
    reader.spaces();
    let pos = reader.pos();
    let digits = reader.read_while(|c| c.is_ascii_hexdigit());
    let bytes = hex::decode(&digits)
        .map_err(|_| ParseError::fatal(reader.pos(), "expecting an even number of hexadecimal digits"))?;
    reader.spaces();
    reader.literal(";")?;
    Ok((bytes, pos))
}

/// `base64,AbC=;`
pub(super) fn base64(reader: &mut Reader) -> Parse<(Vec<u8>, super::Pos)> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    reader.try_literal("base64")?;
    reader.literal(",")?;
    reader.spaces();
    let pos = reader.pos();
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | ' ' | '\n' | '\t');
    let mut text = reader.read_while(known);
    text.retain(|c| !c.is_ascii_whitespace());
    reader.read_while(|c| c == '=');
    if text.len() % 4 == 1 {
        // One character alone carries no byte; the published tool drops it.
        text.pop();
    }
    let bytes = LENIENT
        .decode(&text)
        .map_err(|_| ParseError::fatal(pos, "this is not Base64"))?;
    reader.spaces();
    reader.literal(";")?;
    Ok((bytes, pos))
}

/// A text between lines of three backticks. The position is that of its first line.
pub(super) fn multiline(reader: &mut Reader) -> Parse<(BodyKind, super::Pos)> {
    reader.try_literal("```")?;
    if reader.take("graphql") {
        reader.take(",");
        reader.spaces();
        reader.newline()?;
        let pos = reader.pos();
        return Ok((graphql(reader)?, pos));
    }
    let language = ["json", "xml", "raw"].into_iter().find(|name| reader.take(name));
    reader.spaces();
    let pos = reader.pos();
    let unknown = reader.read_while(|c| c != '\n' && c != '\r' && c != '`');
    if !unknown.is_empty() {
        return Err(
            ParseError::fatal(pos, format!("`{unknown}` is not a known kind of text"))
                .hint("known are json, xml, graphql, raw, or none"),
        );
    }
    reader.newline()?;
    let pos = reader.pos();
    let chars = until_fence(reader);
    let end = reader.pos();
    reader
        .literal("```")
        .map_err(|e| e.hint("close the text with a line of three backticks"))?;
    let template = |chars: &[Char]| text::templatize(chars, pos, end);
    let kind = match language {
        Some("raw") => BodyKind::Raw(chars.iter().map(|c| c.value).collect()),
        Some("json") => BodyKind::JsonText(template(&chars)?),
        Some("xml") => BodyKind::XmlText(template(&chars)?),
        _ => BodyKind::Text(template(&chars)?),
    };
    Ok((kind, pos))
}

fn until_fence(reader: &mut Reader) -> Vec<Char> {
    let mut chars = Vec::new();
    while !reader.starts_with("```") {
        let pos = reader.pos();
        let Some(value) = reader.read() else { break };
        chars.push(Char {
            value,
            escaped: false,
            pos,
        });
    }
    chars
}

fn graphql(reader: &mut Reader) -> Parse<BodyKind> {
    let start = reader.pos();
    let mut chars: Vec<Char> = Vec::new();
    let mut variables = None;
    let mut end = start;
    while !reader.starts_with("```") && variables.is_none() {
        let pos = reader.pos();
        let Some(value) = reader.read() else { break };
        chars.push(Char {
            value,
            escaped: false,
            pos,
        });
        end = reader.pos();
        if value == '\n' {
            variables = reader.optional(graphql_variables)?;
        }
    }
    reader
        .literal("```")
        .map_err(|e| e.hint("close the text with a line of three backticks"))?;
    Ok(BodyKind::GraphQl {
        query: text::templatize(&chars, start, end)?,
        variables,
    })
}

fn graphql_variables(reader: &mut Reader) -> Parse<Vec<super::ast::JsonPart>> {
    reader.try_literal("variables")?;
    reader.spaces();
    let pos = reader.pos();
    let object = json::compact_object(reader).map_err(|e| {
        ParseError::fatal(
            pos,
            format!("GraphQL variables are not a JSON object: {}", e.message),
        )
    })?;
    reader.read_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    Ok(object)
}
