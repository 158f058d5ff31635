//! Why an exchange gave no usable answer: a closed set of reasons, so that they can be counted.

use std::fmt;

/// What went wrong, from a closed set: a report may use it as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The name did not resolve, or nobody accepted the connection.
    Connect,
    /// The TLS handshake failed, or the certificate was refused.
    Tls,
    /// A time-out of ours ended the exchange.
    Timeout,
    /// The server closed the connection before its answer was complete.
    Closed,
    /// The answer breaks HTTP: a malformed head, chunk or frame.
    Protocol,
    /// The body, as sent or after decompression, is larger than the limit.
    BodyTooLarge,
    /// Everything else, such as a request that cannot be put on the wire.
    Other,
}

impl Reason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Reason; 7] = [
        Reason::Connect,
        Reason::Tls,
        Reason::Timeout,
        Reason::Closed,
        Reason::Protocol,
        Reason::BodyTooLarge,
        Reason::Other,
    ];

    /// The stable name used in reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Connect => "connect",
            Reason::Tls => "tls",
            Reason::Timeout => "timeout",
            Reason::Closed => "closed",
            Reason::Protocol => "protocol",
            Reason::BodyTooLarge => "body_too_large",
            Reason::Other => "other",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An exchange that gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Error {
    /// The class, for counting.
    pub reason: Reason,
    /// What happened, for people. Contains addresses and sizes, never header values or bodies.
    pub message: String,
}

impl Error {
    /// Makes an error of one class.
    pub fn new(reason: Reason, message: impl Into<String>) -> Error {
        Error {
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn closed() -> Error {
        Error::new(
            Reason::Closed,
            "the server closed the connection before the answer was complete",
        )
    }

    pub(crate) fn body_too_large(limit: usize) -> Error {
        Error::new(
            Reason::BodyTooLarge,
            format!("the body is larger than the limit of {limit} bytes"),
        )
    }

    pub(crate) fn from_io(error: &std::io::Error) -> Error {
        use std::io::ErrorKind as Kind;
        let reason = match error.kind() {
            Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted => {
                Reason::Closed
            }
            Kind::TimedOut => Reason::Timeout,
            Kind::InvalidData => Reason::Tls,
            _ => Reason::Other,
        };
        Error::new(reason, error.to_string())
    }
}
