//! An XML body in a Hurl file: the text up to the end of its root element.

use super::error::{Parse, ParseError};
use super::reader::Reader;
use crate::markup;

pub(super) fn element(reader: &mut Reader) -> Parse<String> {
    let rest: String = reader.rest().iter().collect();
    let (length, complete) = match markup::element_length(&rest) {
        Ok(length) => (length, true),
        Err(malformed) => (malformed.at, false),
    };
    let start = reader.cursor();
    for _ in rest[..length].chars() {
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
