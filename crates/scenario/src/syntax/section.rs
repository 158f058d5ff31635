//! Sections of requests and responses.

use super::Pos;
use super::ast::{Assert, Capture, EntryOption, KeyValue, MultipartParam, Template};
use super::error::{Parse, ParseError};
use super::filter::filters;
use super::option::option;
use super::predicate::predicate;
use super::query::query;
use super::reader::Reader;
use super::text;

pub(super) enum RequestSection {
    Query(Vec<KeyValue>),
    Form(Vec<KeyValue>),
    Multipart(Vec<MultipartParam>),
    Cookies(Vec<KeyValue>),
    BasicAuth(Option<KeyValue>),
    Options(Vec<EntryOption>),
}

pub(super) enum ResponseSection {
    Captures(Vec<Capture>),
    Asserts(Vec<Assert>),
}

/// Position and name of a section, for the check of duplicates.
pub(super) struct Heading {
    pub(super) pos: Pos,
    pub(super) name: String,
}

fn heading(reader: &mut Reader) -> Parse<Heading> {
    reader.blank_lines()?;
    reader.spaces();
    let pos = reader.pos();
    reader.try_literal("[")?;
    let name = reader.read_while(char::is_alphanumeric);
    if name.is_empty() {
        return Err(ParseError::soft(pos, "expecting the name of a section"));
    }
    reader.try_literal("]")?;
    reader.line_end()?;
    Ok(Heading { pos, name })
}

pub(super) fn request_section(reader: &mut Reader) -> Parse<(Heading, RequestSection)> {
    let heading = heading(reader)?;
    let section = match heading.name.as_str() {
        "Query" | "QueryStringParams" => RequestSection::Query(reader.many(key_value)?),
        "Form" | "FormParams" => RequestSection::Form(reader.many(key_value)?),
        "Multipart" | "MultipartFormData" => RequestSection::Multipart(reader.many(multipart_param)?),
        "Cookies" => RequestSection::Cookies(reader.many(key_value)?),
        "BasicAuth" => RequestSection::BasicAuth(reader.optional(key_value)?),
        "Options" => RequestSection::Options(reader.many(option)?),
        name => {
            return Err(
                ParseError::fatal(heading.pos, format!("[{name}] is not a section of a request"))
                    .hint("known are Query, Form, Multipart, Cookies, BasicAuth and Options"),
            );
        }
    };
    Ok((heading, section))
}

pub(super) fn response_section(reader: &mut Reader) -> Parse<(Heading, ResponseSection)> {
    let heading = heading(reader)?;
    let section = match heading.name.as_str() {
        "Captures" => ResponseSection::Captures(reader.many(capture)?),
        "Asserts" => ResponseSection::Asserts(reader.many(assert)?),
        name => {
            return Err(
                ParseError::fatal(heading.pos, format!("[{name}] is not a section of a response"))
                    .hint("known are Captures and Asserts"),
            );
        }
    };
    Ok((heading, section))
}

/// `key: ` with the empty lines before it.
fn key_and_colon(reader: &mut Reader) -> Parse<Template> {
    reader.blank_lines()?;
    reader.spaces();
    let key = text::key(reader).map_err(ParseError::into_soft)?;
    reader.spaces();
    reader.try_literal(":")?;
    reader.spaces();
    Ok(key)
}

pub(super) fn key_value(reader: &mut Reader) -> Parse<KeyValue> {
    let key = key_and_colon(reader)?;
    let start = reader.cursor();
    let value = text::unquoted(reader)?;
    let source = reader.since(start);
    reader.line_end()?;
    Ok(KeyValue { key, value, source })
}

fn multipart_param(reader: &mut Reader) -> Parse<MultipartParam> {
    match reader.optional(file_param)? {
        Some(param) => Ok(param),
        None => Ok(MultipartParam::Text(key_value(reader)?)),
    }
}

fn file_param(reader: &mut Reader) -> Parse<MultipartParam> {
    let key = key_and_colon(reader)?;
    reader.try_literal("file,")?;
    reader.spaces();
    let filename = text::filename(reader)?;
    reader.spaces();
    reader.literal(";")?;
    let start = reader.cursor();
    let at_end = reader.line_end().is_ok();
    reader.seek(start);
    let content_type = if at_end {
        None
    } else {
        reader.spaces();
        let pos = reader.pos();
        let invalid = |_| ParseError::fatal(pos, "expecting the content type of the file");
        Some(text::unquoted(reader).map_err(invalid)?)
    };
    reader.line_end()?;
    Ok(MultipartParam::File {
        key,
        filename,
        content_type,
    })
}

fn capture(reader: &mut Reader) -> Parse<Capture> {
    let name = key_and_colon(reader)?;
    let query = query(reader)?;
    let filters = filters(reader)?;
    let redact = reader.optional(|r| {
        r.spaces();
        r.try_literal("redact")
    })?;
    reader.line_end()?;
    Ok(Capture {
        name,
        query,
        filters,
        redact: redact.is_some(),
    })
}

pub(super) fn assert(reader: &mut Reader) -> Parse<Assert> {
    reader.blank_lines()?;
    reader.spaces();
    let start = reader.cursor();
    let query = query(reader)?;
    let filters = filters(reader)?;
    reader.one_or_more_spaces()?;
    let predicate = predicate(reader)?;
    let source = reader.since(start);
    reader.line_end()?;
    Ok(Assert {
        query,
        filters,
        predicate,
        source,
    })
}
