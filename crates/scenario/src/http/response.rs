//! A response: head as received, body complete and within its limit.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::request::Version;
use super::room::Room;

/// Response headers in the order in which they came, names in their original case.
///
/// One buffer with positions, because a load run reads few of them.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    buffer: Bytes,
    fields: Vec<Field>,
}

/// Positions of a name and a value in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: (u32, u32),
    pub(crate) value: (u32, u32),
}

impl Headers {
    pub(crate) fn new(buffer: Bytes, fields: Vec<Field>) -> Headers {
        Headers { buffer, fields }
    }

    /// Builds headers from pairs, as an HTTP/2 answer has no text form.
    pub(crate) fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Headers {
        let (mut buffer, mut fields) = (Vec::new(), Vec::new());
        let position = |buffer: &Vec<u8>| u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        for (name, value) in pairs {
            let start = position(&buffer);
            buffer.extend_from_slice(name.as_bytes());
            let middle = position(&buffer);
            buffer.extend_from_slice(value);
            fields.push(Field {
                name: (start, middle),
                value: (middle, position(&buffer)),
            });
        }
        Headers {
            buffer: buffer.into(),
            fields,
        }
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.buffer[start as usize..end as usize]
    }

    /// Number of fields; a name that came twice counts twice.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether the head had no field at all.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// All fields as text. Bytes that are not UTF-8 are read as Latin-1.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.fields
            .iter()
            .map(|f| (text(self.slice(f.name)), text(self.slice(f.value))))
    }

    /// The first value of that name, in any case of letters, as it came.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        let field = self
            .fields
            .iter()
            .find(|f| self.slice(f.name).eq_ignore_ascii_case(name.as_bytes()))?;
        Some(self.slice(field.value))
    }

    /// The first value of that name, in any case of letters.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get_bytes(name).map(text)
    }

    /// Every value of that name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.fields
            .iter()
            .filter(move |f| self.slice(f.name).eq_ignore_ascii_case(name.as_bytes()))
            .map(|f| text(self.slice(f.value)))
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()),
    }
}

/// When the parts of an exchange happened.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// When the exchange began: before the name lookup on a new connection, else before the first byte
    /// was written.
    pub start: Instant,
    /// Name lookup, TCP and TLS together; `None` on a connection that was already open.
    pub connect: Option<Duration>,
    /// From the start to the first byte of the answer.
    pub first_byte: Duration,
    /// From the start to the last byte of the answer.
    pub total: Duration,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The version that the server spoke.
    pub version: Version,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body as it came, still compressed if it was.
    pub body: Bytes,
    /// When its parts came.
    pub timings: Timings,
    /// What the body took of the memory for all of them.
    #[expect(dead_code, reason = "held, not read: dropping it gives the memory back")]
    pub(crate) room: Room,
}
