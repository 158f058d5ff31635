//! One connection: opened once, used for one exchange after another.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::future::BoxFuture;

use super::alarm::Alarm;
use super::connect::{Connect, Stream};
use super::error::{Error, Reason};
use super::h1::Http1;
use super::h2::Http2;
use super::request::Request;
use super::response::Response;
use super::target::Target;

/// Bounds of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest head of an answer, in bytes. Default: 256 KiB.
    pub max_head: usize,
    /// Largest body of an answer as it comes over the wire, and again after decompression, in bytes.
    /// Default: 64 MiB.
    pub max_body: usize,
    /// Longest time from the first byte sent to the last byte received. Default: 300 s.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_head: 256 * 1024,
            max_body: 64 * 1024 * 1024,
            timeout: Duration::from_secs(300),
        }
    }
}

enum Protocol {
    Http1(Http1),
    Http2(Http2),
}

/// An open connection to one target.
///
/// Dropping it closes the socket. After an error it must not be used again; [`Connection::is_reusable`]
/// tells.
pub struct Connection {
    protocol: Protocol,
    target: Target,
    peer: IpAddr,
    certificate: Option<Vec<u8>>,
    /// Time that opening took, reported with the first exchange only.
    opened: Option<(Instant, Duration)>,
    alarm: Alarm,
    reusable: bool,
    used: bool,
}

impl Connection {
    /// Opens a connection; speaks HTTP/2 if that was negotiated or demanded.
    ///
    /// # Errors
    /// [`Reason::Connect`], [`Reason::Tls`] or [`Reason::Timeout`].
    pub fn open<'a>(target: &'a Target, how: &'a Connect) -> BoxFuture<'a, Result<Connection, Error>> {
        // Rare and large: on the heap it is not a part of every exchange, and compiled here alone.
        Box::pin(Self::opened(target, how))
    }

    async fn opened(target: &Target, how: &Connect) -> Result<Connection, Error> {
        let start = Instant::now();
        let (stream, peer, http2) = how.open(target).await?;
        let certificate = stream.certificate();
        let protocol = if http2 {
            Protocol::Http2(Http2::handshake(stream, how.timeout).await?)
        } else {
            Protocol::Http1(Http1::new(stream))
        };
        Ok(Connection {
            protocol,
            target: target.clone(),
            peer,
            certificate,
            opened: Some((start, start.elapsed())),
            alarm: Alarm::default(),
            reusable: true,
            used: false,
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Any [`Reason`] but `Connect` and `Tls`. The connection is then closed.
    pub async fn send(&mut self, request: &Request, limits: &Limits) -> Result<Response, Error> {
        let opened = self.opened.take();
        let start = opened.map_or_else(Instant::now, |(start, _)| start);
        self.used = true;
        // Stays so if this future is dropped half-way: the rest of the answer would be taken for the next.
        self.reusable = false;
        let exchange = async {
            match &mut self.protocol {
                Protocol::Http1(http1) => http1.exchange(request, limits, start).await,
                Protocol::Http2(http2) => http2.exchange(request, limits, start).await,
            }
        };
        let answered = match self.alarm.within(limits.timeout, exchange).await {
            Some(answered) => answered,
            None => {
                let message = format!("no complete answer within {:?}", limits.timeout);
                Err(Error::new(Reason::Timeout, message))
            }
        };
        let (mut response, keep) = answered?;
        self.reusable = keep;
        response.timings.connect = opened.map(|(_, took)| took);
        Ok(response)
    }

    /// Whether another request may be sent: the last answer was complete, and neither side closed.
    pub fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// Whether the other side is known to have closed it since the last answer; does not wait.
    pub fn is_closed(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.is_closed(),
            Protocol::Http2(_) => false,
        }
    }

    /// Whether the last request failed before a byte of its answer came; not known over HTTP/2, which says so itself.
    pub(crate) fn is_unanswered(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => !http1.answered(),
            Protocol::Http2(_) => true,
        }
    }

    /// Whether at least one request was sent. A server may close such a connection at any moment.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The address at the other end.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The server's certificate as DER, over TLS.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The socket after an answer 101, with what was already read of the protocol that was switched to.
    /// `None` over HTTP/2, which has no such answer.
    pub(crate) fn into_upgraded(self) -> Option<(Stream, BytesMut)> {
        match self.protocol {
            Protocol::Http1(http1) => Some(http1.into_parts()),
            Protocol::Http2(_) => None,
        }
    }

    /// Whether HTTP/2 is spoken.
    pub fn is_http2(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(_))
    }
}
