//! One request and its answer, as sent and received, and how they are shown in a report.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::ledger::Who;

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// Which of the service's addresses: 0 is the base URL, then those of `target.also`.
    pub address: usize,
}

impl Request {
    /// A GET without credentials.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".into(),
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            address: 0,
        }
    }

    /// Says whether it only reads.
    pub fn is_safe(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// Says whether done twice it leaves what it leaves done once (RFC 9110, 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.method.as_str(), "PUT" | "DELETE" | "TRACE")
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The first header of a name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Says whether it is a 2xx.
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Says whether it tells of trouble rather than of rights: to be tried again, not judged.
    pub fn is_trouble(&self) -> bool {
        self.status >= 500 || self.status == 429
    }
}

/// A request with its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Who asked; `None` is nobody.
    pub who: Option<Who>,
    /// The request.
    pub request: Request,
    /// The answer.
    pub answer: Answer,
    /// When the request left.
    pub sent: Instant,
    /// Time from then until the whole answer was there.
    pub took: Duration,
}
