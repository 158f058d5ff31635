//! A request in the form in which it goes over the wire, built once and sent as often as wanted.

use std::borrow::Cow;

use bytes::Bytes;
use url::{Position, Url};

use super::error::{Error, Reason};
use super::response::Field;
use super::target::Target;

/// The HTTP version that a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: the connection is closed after the answer.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2: negotiated over TLS, or spoken at once in plain text if the connection was opened so.
    Http2,
}

impl Version {
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
        }
    }
}

/// A request, validated and serialised. Cheap to clone; immutable, so that it can be sent many times.
#[derive(Clone, Debug)]
pub struct Request {
    method: Cow<'static, str>,
    target: Target,
    /// Where in `wire` the path and the headers stand: they are written once, for the server.
    path: (u32, u32),
    fields: Vec<Field>,
    body: Bytes,
    wire: Bytes,
}

/// What a request is made of, before it is validated.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// An upper-case token such as `GET`.
    pub method: &'a str,
    /// The absolute URL. Its fragment is not sent.
    pub url: &'a Url,
    /// Headers in the order in which they are sent. `Host` is added in front unless it is among them,
    /// `Content-Length` at the end if there is a body.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body; empty means none.
    pub body: Bytes,
    /// Which version the request line names.
    pub version: Version,
    /// Path and query exactly as they are to be sent, instead of the URL's normalised form.
    pub raw_path: Option<&'a str>,
}

impl Request {
    /// A request without body and with no headers but `Host`.
    ///
    /// # Errors
    /// As for [`Request::from_parts`].
    pub fn new(method: &str, url: &Url) -> Result<Request, Error> {
        Request::from_parts(Parts {
            method,
            url,
            headers: Vec::new(),
            body: Bytes::new(),
            version: Version::Http11,
            raw_path: None,
        })
    }

    /// Validates and serialises.
    ///
    /// # Errors
    /// [`Reason::Other`] if the URL is not `http(s)`, the method is not a token, or a header name or value
    /// contains what would end the line. The value itself is not in the message.
    pub fn from_parts(parts: Parts<'_>) -> Result<Request, Error> {
        let target = Target::from_url(parts.url)
            .ok_or_else(|| Error::new(Reason::Other, "the URL has no http or https origin"))?;
        if parts.method.is_empty() || !parts.method.bytes().all(is_token) {
            return Err(Error::new(Reason::Other, "the method is not a token"));
        }
        for (name, value) in &parts.headers {
            check_header(name, value)?;
        }
        let path = parts
            .raw_path
            .unwrap_or(&parts.url[Position::BeforePath..Position::AfterQuery]);
        if path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(Error::new(
                Reason::Other,
                "the path contains a space or control character",
            ));
        }
        let mut writing = Writing::with_room_for(&parts);
        let path = writing.request_line(parts.method, path, parts.version);
        writing.headers(&parts);
        Ok(Request {
            method: shared(parts.method),
            target,
            path,
            wire: writing.finish(&parts.body),
            fields: writing.fields,
            body: parts.body,
        })
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The origin that the request goes to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Path and query as sent.
    pub fn path(&self) -> &str {
        self.text(self.path)
    }

    /// All headers as sent, in order, with `Host` and `Content-Length`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|field| (self.text(field.name), self.text(field.value)))
    }

    /// The first header of that name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |field: &&Field| self.slice(field.name).eq_ignore_ascii_case(name.as_bytes());
        let field = self.fields.iter().find(same)?;
        Some(self.text(field.value))
    }

    fn slice(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.wire[start as usize..end as usize]
    }

    /// What was text when it was written.
    fn text(&self, position: (u32, u32)) -> &str {
        std::str::from_utf8(self.slice(position)).unwrap_or_default()
    }

    /// The body, empty if there is none.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The bytes sent over an HTTP/1 connection: head and body.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }
}

/// A request while it is written.
struct Writing {
    wire: Vec<u8>,
    fields: Vec<Field>,
}

impl Writing {
    fn with_room_for(parts: &Parts<'_>) -> Writing {
        Writing {
            wire: Vec::with_capacity(512 + parts.body.len()),
            fields: Vec::with_capacity(parts.headers.len() + 2),
        }
    }

    /// Returns where the text stands.
    fn put(&mut self, text: &str) -> (u32, u32) {
        let position = |wire: &Vec<u8>| u32::try_from(wire.len()).unwrap_or(u32::MAX);
        let start = position(&self.wire);
        self.wire.extend_from_slice(text.as_bytes());
        (start, position(&self.wire))
    }

    fn request_line(&mut self, method: &str, path: &str, version: Version) -> (u32, u32) {
        let old = version == Version::Http10;
        self.put(method);
        self.put(" ");
        let position = self.put(path);
        self.put(if old { " HTTP/1.0\r\n" } else { " HTTP/1.1\r\n" });
        position
    }

    fn header(&mut self, name: &str, value: &str) {
        let name = self.put(name);
        self.put(": ");
        let value = self.put(value);
        self.put("\r\n");
        self.fields.push(Field { name, value });
    }

    /// Those that are given, and what the protocol wants besides.
    fn headers(&mut self, parts: &Parts<'_>) {
        let given = |wanted: &str| {
            let mut names = parts.headers.iter().map(|(name, _)| name);
            names.any(|name| name.eq_ignore_ascii_case(wanted))
        };
        if !given("host") {
            self.header("Host", &parts.url[Position::BeforeHost..Position::AfterPort]);
        }
        for (name, value) in &parts.headers {
            self.header(name, value);
        }
        let expects_body = matches!(parts.method, "POST" | "PUT" | "PATCH");
        let has_body = !parts.body.is_empty() || expects_body;
        if has_body && !given("content-length") && !given("transfer-encoding") {
            self.header("Content-Length", &parts.body.len().to_string());
        }
    }

    fn finish(&mut self, body: &Bytes) -> Bytes {
        self.put("\r\n");
        self.wire.extend_from_slice(body);
        std::mem::take(&mut self.wire).into()
    }
}

/// The method, without memory of its own if it is a usual one.
fn shared(method: &str) -> Cow<'static, str> {
    let usual = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    match usual.into_iter().find(|known| *known == method) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(method.to_string()),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_header(name: &str, value: &str) -> Result<(), Error> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Error::new(
            Reason::Other,
            format!("the header name {name:?} is not a token"),
        ));
    }
    if value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        let message = format!("the value of header {name} contains a line break or a zero byte");
        return Err(Error::new(Reason::Other, message));
    }
    Ok(())
}
