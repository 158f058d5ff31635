//! Entries: a request, and perhaps what is expected of its response.

use super::ast::{Entry, File, Request, Response, VersionSpec};
use super::body::body;
use super::error::{Parse, ParseError};
use super::reader::Reader;
use super::section::{
    Heading, RequestSection, ResponseSection, key_value, request_section, response_section,
};
use super::text;

/// Reads a whole file.
pub(crate) fn parse_file(text: &str) -> Result<File, ParseError> {
    let mut reader = Reader::new(text);
    let entries = reader.many(entry)?;
    reader.blank_lines()?;
    if !reader.is_eof() {
        return Err(
            ParseError::fatal(reader.pos(), "expecting a request or the end of the file")
                .hint("a request begins with its method, such as GET"),
        );
    }
    let comments = std::mem::take(&mut reader.comments).into_iter().collect();
    let mut file = File { entries, comments };
    super::websocket::attach(&mut file)?;
    Ok(file)
}

fn entry(reader: &mut Reader) -> Parse<Entry> {
    let request = request(reader)?;
    let response = reader.optional(response)?;
    Ok(Entry {
        request,
        response,
        websocket: None,
    })
}

fn request(reader: &mut Reader) -> Parse<Request> {
    reader.blank_lines()?;
    reader.spaces();
    let pos = reader.pos();
    let method = method(reader)?;
    reader.one_or_more_spaces()?;
    let url_start = reader.cursor();
    let url = text::unquoted(reader)?;
    let url_source = reader.since(url_start);
    reader.line_end()?;
    let headers = reader.many(key_value)?;
    let sections = reader.many(request_section)?;
    let body = reader.optional(body)?;
    check_duplicates(sections.iter().map(|(heading, _)| heading))?;
    let mut request = Request {
        pos,
        method,
        url,
        url_source,
        headers,
        query: Vec::new(),
        form: Vec::new(),
        multipart: Vec::new(),
        cookies: Vec::new(),
        basic_auth: None,
        options: Vec::new(),
        body,
    };
    for (_, section) in sections {
        match section {
            RequestSection::Query(params) => request.query = params,
            RequestSection::Form(params) => request.form = params,
            RequestSection::Multipart(params) => request.multipart = params,
            RequestSection::Cookies(cookies) => request.cookies = cookies,
            RequestSection::BasicAuth(credentials) => request.basic_auth = credentials,
            RequestSection::Options(options) => request.options = options,
        }
    }
    Ok(request)
}

fn method(reader: &mut Reader) -> Parse<String> {
    let pos = reader.pos();
    if reader.is_eof() {
        return Err(ParseError::soft(pos, "expecting a method"));
    }
    let name = reader.read_while(|c| c.is_ascii_alphabetic());
    if name.is_empty() || name.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(ParseError::fatal(pos, "expecting a method").hint("a method is in capitals, such as GET"));
    }
    Ok(name)
}

fn response(reader: &mut Reader) -> Parse<Response> {
    reader.blank_lines()?;
    reader.spaces();
    let version_pos = reader.pos();
    let version = version(reader)?;
    reader.one_or_more_spaces()?;
    let status_pos = reader.pos();
    let status = status(reader)?;
    reader.line_end()?;
    let headers = reader.many(key_value)?;
    let sections = reader.many(response_section)?;
    let body = reader.optional(body)?;
    check_duplicates(sections.iter().map(|(heading, _)| heading))?;
    let (mut captures, mut asserts) = (Vec::new(), Vec::new());
    for (_, section) in sections {
        match section {
            ResponseSection::Captures(all) => captures = all,
            ResponseSection::Asserts(all) => asserts = all,
        }
    }
    Ok(Response {
        version,
        version_pos,
        status,
        status_pos,
        headers,
        captures,
        asserts,
        body,
    })
}

fn version(reader: &mut Reader) -> Parse<VersionSpec> {
    let pos = reader.pos();
    reader.try_literal("HTTP")?;
    let versions = [
        ("/1.0", VersionSpec::V10),
        ("/1.1", VersionSpec::V11),
        ("/2", VersionSpec::V2),
        ("/3", VersionSpec::V3),
    ];
    if let Some((_, version)) = versions.into_iter().find(|(text, _)| reader.take(text)) {
        return Ok(version);
    }
    match reader.peek() {
        Some(' ' | '\t') => Ok(VersionSpec::Any),
        _ => Err(ParseError::fatal(pos, "expecting a version of HTTP")
            .hint("HTTP for any, or HTTP/1.0, HTTP/1.1, HTTP/2, HTTP/3")),
    }
}

fn status(reader: &mut Reader) -> Parse<Option<u64>> {
    let pos = reader.pos();
    if reader.take("*") {
        return Ok(None);
    }
    let digits = reader.read_while(|c| c.is_ascii_digit());
    let invalid = |_| ParseError::fatal(pos, "expecting a status code").hint("a number, or * for any");
    digits.parse().map(Some).map_err(invalid)
}

fn check_duplicates<'a>(headings: impl Iterator<Item = &'a Heading>) -> Parse<()> {
    let mut seen: Vec<&str> = Vec::new();
    for heading in headings {
        let name = canonical(&heading.name);
        if seen.contains(&name) {
            return Err(
                ParseError::fatal(heading.pos, format!("a second section [{}]", heading.name))
                    .hint("join the two"),
            );
        }
        seen.push(name);
    }
    Ok(())
}

/// Short and long names of a section are the same section.
fn canonical(name: &str) -> &str {
    match name {
        "QueryStringParams" => "Query",
        "FormParams" => "Form",
        "MultipartFormData" => "Multipart",
        other => other,
    }
}
