//! What a run tells: every exchange while it happens, and the result of every entry at the end.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::http::{Error, Reason, Request, Response};
use crate::value::Value;

/// Is told of every exchange as soon as it is over: retries and redirections are exchanges of their own, and so is a
/// request that met a kept connection which the server closed, before it was sent again over a new one.
///
/// What it sees is raw: secrets stand in requests and answers. Pass what is to be shown through
/// [`crate::User::redact`].
pub trait Observer: Send {
    /// Called once per exchange, also for one that got no answer.
    fn call(&mut self, call: &Call<'_>) {
        let _ = call;
    }

    /// Called once per message that a WebSocket conversation waited for, after the call that opened it.
    fn message(&mut self, message: &Message) {
        let _ = message;
    }
}

/// Observes nothing.
impl Observer for () {}

/// One exchange.
#[derive(Debug)]
pub struct Call<'a> {
    /// Index of the entry in the scenario, from 0.
    pub entry: usize,
    /// Line of the entry.
    pub line: u32,
    /// 0 for the first try of the entry, 1 for its first retry, and so on.
    pub attempt: u32,
    /// 0 for the request of the entry, 1 for the first redirection followed, and so on.
    pub redirect: u32,
    /// The absolute URL, without fragment.
    pub url: &'a str,
    /// The request as sent.
    pub request: &'a Request,
    /// The answer, or why there is none.
    pub result: Result<&'a Response, &'a Error>,
    /// The server's address, if a connection was there.
    pub peer: Option<IpAddr>,
    /// When the exchange began: before connecting, if that was needed.
    pub start: Instant,
    /// How long it took until the last byte, or until it failed.
    pub took: Duration,
}

/// A message that was waited for on a WebSocket: `# @expect` or `# @await`.
#[derive(Clone, Debug)]
pub struct Message {
    /// Index of the entry that opened the WebSocket.
    pub entry: usize,
    /// Line of the comment that asked for it.
    pub line: u32,
    /// Try of the entry.
    pub attempt: u32,
    /// What came: its size in bytes and whether it was as asserted, or why nothing came.
    pub result: Result<(usize, bool), Error>,
    /// When the waiting began: after the last message sent, or after the last one received.
    pub start: Instant,
    /// How long it took until the message was there, or until it failed.
    pub took: Duration,
}

/// Result of a scenario for one user.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// One row per try of each entry, in the order in which they ran. Entries after a failure did not run and
    /// have no row, unless [`crate::Settings::continue_on_error`] is set.
    pub entries: Vec<EntryOutcome>,
    /// Whether every entry held, in its last try.
    pub ok: bool,
    /// Wall time of the whole run, with delays.
    pub duration: Duration,
}

/// Result of one try of an entry.
#[derive(Clone, Debug, Default)]
pub struct EntryOutcome {
    /// Index of the entry in the scenario, from 0.
    pub index: usize,
    /// Line of the entry: that of its method.
    pub line: u32,
    /// 0 for the first try.
    pub attempt: u32,
    /// Number of exchanges: 1, and 1 more per redirection followed; 0 if nothing could be sent.
    pub calls: u32,
    /// Captured variables in order; the values of redacted ones are `***`. Empty if
    /// [`crate::Settings::explain_passed`] is off.
    pub captures: Vec<(String, Value)>,
    /// Asserts in the order in which they were checked: version and status, headers, body, then `[Asserts]`.
    pub asserts: Vec<AssertOutcome>,
    /// What kept the entry from being carried out or checked; a failed assert is not in here.
    pub error: Option<EntryError>,
    /// Not run because of `skip: true` or `repeat: 0`.
    pub skipped: bool,
}

impl EntryOutcome {
    /// Whether it was carried out and everything held. A skipped entry is ok.
    pub fn ok(&self) -> bool {
        self.error.is_none() && self.asserts.iter().all(|a| a.ok)
    }
}

/// Result of one assert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertOutcome {
    /// Line of the assert.
    pub line: u32,
    /// The assert as written in the file; empty as for `expected`.
    pub text: String,
    /// Whether it held.
    pub ok: bool,
    /// What was expected; empty if it held and [`crate::Settings::explain_passed`] is off.
    pub expected: String,
    /// What came, or why nothing could be compared; empty as for `expected`.
    pub actual: String,
}

/// What kept an entry from being carried out or checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryError {
    /// Line in the scenario file.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The class.
    pub kind: ErrorKind,
    /// What happened; secrets are redacted.
    pub message: String,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// The class of an [`EntryError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No usable answer came.
    Http(Reason),
    /// Too many redirections, or one to a place that is not HTTP.
    Redirect,
    /// A variable is not defined, or cannot stand where it is used.
    Template,
    /// The value of an option makes no sense.
    Option,
    /// A file could not be read, or may not be.
    File,
    /// A capture found nothing.
    Capture,
}
