//! A request in the form in which it goes over the wire, built once and sent as often as wanted.

use bytes::Bytes;
use url::Url;

use super::error::{Error, Reason};
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
    method: String,
    target: Target,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    wire: Bytes,
}

/// What a request is made of, before it is validated.
#[derive(Clone, Debug)]
pub struct Parts {
    /// An upper-case token such as `GET`.
    pub method: String,
    /// The absolute URL. Its fragment is not sent.
    pub url: Url,
    /// Headers in the order in which they are sent. `Host` is added in front unless it is among them,
    /// `Content-Length` at the end if there is a body.
    pub headers: Vec<(String, String)>,
    /// The body; empty means none.
    pub body: Bytes,
    /// Which version the request line names.
    pub version: Version,
    /// Path and query exactly as they are to be sent, instead of the URL's normalised form.
    pub raw_path: Option<String>,
}

impl Request {
    /// A request without body and with no headers but `Host`.
    ///
    /// # Errors
    /// As for [`Request::from_parts`].
    pub fn new(method: &str, url: &Url) -> Result<Request, Error> {
        Request::from_parts(Parts {
            method: method.to_string(),
            url: url.clone(),
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
    pub fn from_parts(parts: Parts) -> Result<Request, Error> {
        let target = Target::from_url(&parts.url)
            .ok_or_else(|| Error::new(Reason::Other, "the URL has no http or https origin"))?;
        if parts.method.is_empty() || !parts.method.bytes().all(is_token) {
            return Err(Error::new(Reason::Other, "the method is not a token"));
        }
        for (name, value) in &parts.headers {
            check_header(name, value)?;
        }
        let path = parts.raw_path.unwrap_or_else(|| path_of(&parts.url));
        if path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(Error::new(
                Reason::Other,
                "the path contains a space or control character",
            ));
        }
        let mut request = Request {
            method: parts.method,
            target,
            path,
            headers: parts.headers,
            body: parts.body,
            wire: Bytes::new(),
        };
        request.complete_headers();
        request.wire = request.serialise(parts.version);
        Ok(request)
    }

    fn complete_headers(&mut self) {
        if self.header("host").is_none() {
            self.headers
                .insert(0, ("Host".to_string(), self.target.authority()));
        }
        let sized = self.header("content-length").is_some() || self.header("transfer-encoding").is_some();
        let expects_body = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if !sized && (!self.body.is_empty() || expects_body) {
            self.headers
                .push(("Content-Length".to_string(), self.body.len().to_string()));
        }
    }

    fn serialise(&self, version: Version) -> Bytes {
        let version = if version == Version::Http10 {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        let mut out = Vec::with_capacity(256 + self.body.len());
        for piece in [self.method.as_str(), " ", &self.path, " ", version, "\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
        for (name, value) in &self.headers {
            for piece in [name.as_str(), ": ", value, "\r\n"] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out.into()
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
        &self.path
    }

    /// All headers as sent, in order, with `Host` and `Content-Length`.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first header of that name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
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

fn path_of(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_string(),
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
