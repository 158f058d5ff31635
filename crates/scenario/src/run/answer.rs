//! What came back for an entry, with what queries make of it: each computed once, when first asked for.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use encoding_rs::Encoding;

use crate::http::decode::{DecodeError, decode};
use crate::http::{Connection, Response};
use crate::markup::{Document, parse_html, parse_xml};
use crate::value::{Value, parse_json};

/// One exchange of the chain of redirections.
pub(super) struct Exchange {
    pub(super) response: Response,
    /// Absolute, normalised.
    pub(super) url: String,
    pub(super) peer: IpAddr,
    /// The connection, if the answer switched it to another protocol.
    pub(super) upgraded: Option<Box<Connection>>,
}

/// The last answer, and those that led to it.
pub(super) struct Answer<'a> {
    pub(super) chain: &'a [Exchange],
    max_body: usize,
    decoded: OnceLock<Result<Bytes, String>>,
    json: OnceLock<Result<Value, String>>,
    document: OnceLock<Result<Document, String>>,
}

type Lazy<'a, T> = Result<&'a T, String>;

impl<'a> Answer<'a> {
    /// `chain` must not be empty.
    pub(super) fn new(chain: &'a [Exchange], max_body: usize) -> Answer<'a> {
        Answer {
            chain,
            max_body,
            decoded: OnceLock::new(),
            json: OnceLock::new(),
            document: OnceLock::new(),
        }
    }

    pub(super) fn last(&self) -> &'a Exchange {
        &self.chain[self.chain.len() - 1]
    }

    pub(super) fn response(&self) -> &'a Response {
        &self.last().response
    }

    pub(super) fn duration(&self) -> Duration {
        self.response().timings.total
    }

    /// The body after undoing its compression.
    pub(super) fn bytes(&self) -> Lazy<'_, Bytes> {
        let decoded = self.decoded.get_or_init(|| {
            decode(self.response(), self.max_body).map_err(|e| match e {
                DecodeError::Unknown(name) => format!("compression {name} is not supported"),
                DecodeError::Corrupt(name) => format!("could not uncompress response with {name}"),
                DecodeError::TooLarge(limit) => format!("the body is larger than the limit of {limit} bytes"),
            })
        });
        decoded.as_ref().map_err(Clone::clone)
    }

    /// The body as text, by the character set of its header, else UTF-8.
    pub(super) fn text(&self) -> Result<Cow<'_, str>, String> {
        let bytes = self.bytes()?;
        let encoding = self.encoding()?;
        encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .ok_or_else(|| {
                format!(
                    "could not decode response body with charset '{}'",
                    encoding.name()
                )
            })
    }

    fn encoding(&self) -> Result<&'static Encoding, String> {
        let Some(content_type) = self.response().headers.get("content-type") else {
            return Ok(encoding_rs::UTF_8);
        };
        let charset = content_type.split(';').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim().trim_matches('"'))
        });
        match charset {
            None => Ok(encoding_rs::UTF_8),
            Some(charset) => Encoding::for_label(charset.as_bytes())
                .ok_or_else(|| format!("the charset '{charset}' is not valid")),
        }
    }

    pub(super) fn json(&self) -> Lazy<'_, Value> {
        let json = self.json.get_or_init(|| {
            parse_json(&self.text()?).map_err(|_| "the HTTP response is not valid JSON".to_string())
        });
        json.as_ref().map_err(Clone::clone)
    }

    pub(super) fn document(&self) -> Lazy<'_, Document> {
        let document = self.document.get_or_init(|| {
            let text = self.text()?;
            let content_type = self.response().headers.get("content-type").unwrap_or_default();
            let html = content_type.trim().to_ascii_lowercase().starts_with("text/html");
            let document = if html { parse_html(&text) } else { parse_xml(&text) };
            document.ok_or_else(|| "the HTTP response is not valid XML".to_string())
        });
        document.as_ref().map_err(Clone::clone)
    }

    /// The value of a cookie that the answer set, and its attributes as written.
    pub(super) fn cookie(&self, name: &str) -> Option<(String, Vec<String>)> {
        self.response().headers.get_all("set-cookie").find_map(|header| {
            let (found, rest) = header.split_once('=')?;
            let mut parts = rest.split(';');
            let value = parts.next()?;
            (found == name).then(|| (value.to_string(), parts.map(str::to_string).collect()))
        })
    }
}
