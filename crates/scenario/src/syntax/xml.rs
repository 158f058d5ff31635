//! An XML body in a Hurl file: the text up to the end of its root element.

use super::error::{Parse, ParseError};
use super::reader::Reader;
use crate::markup;

pub(super) fn element(reader: &mut Reader) -> Parse<String> {
    let (text, length, complete) = measure(reader.rest());
    let start = reader.cursor();
    for _ in text[..length].chars() {
        reader.read();
    }
    if complete {
        return Ok(reader.since(start));
    }
    Err(
        ParseError::fatal(reader.pos(), "the XML body is not well formed here")
            .hint("to send a text that is not XML, put it between lines of three backticks"),
    )
}

/// Looks at a piece of the file that grows until the element ends in it: a file with many small bodies must not
/// be copied once for each.
fn measure(rest: &[char]) -> (String, usize, bool) {
    let mut window = 1024.min(rest.len());
    loop {
        let text: String = rest[..window].iter().collect();
        match markup::element_length(&text) {
            Ok(length) => return (text, length, true),
            Err(malformed) if window == rest.len() => return (text, malformed.at, false),
            Err(_) => window = (window * 2).min(rest.len()),
        }
    }
}
