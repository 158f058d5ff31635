//! HTTP/1.0 and 1.1 (RFC 9112): writing prepared bytes, reading one answer.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::connect::Stream;
use super::connection::Limits;
use super::error::{Error, Reason};
use super::request::{Request, Version};
use super::response::{Field, Headers, Response, Timings};
use super::room::Room;

/// More fields than this in one head are refused.
const MAX_FIELDS: usize = 128;
/// More interim answers (1xx) to one request are refused: one who sends them as fast as they are read keeps the thread,
/// and with it every other user's time limit, busy.
const MAX_INTERIM: usize = 100;
/// Room made before each read.
const READ_SIZE: usize = 16 * 1024;
/// A line with a chunk's size, and all trailers together, may be this long.
const MAX_CHUNK_LINE: usize = 16 * 1024;

pub(super) struct Http1 {
    stream: Stream,
    buffer: BytesMut,
    /// Of the answer that is being read.
    room: Room,
    /// Whether a byte of the answer to the last request came.
    answered: bool,
}

/// How the end of a body is found (RFC 9112, section 6.3).
#[derive(Debug, PartialEq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

struct Head {
    version: Version,
    status: u16,
    headers: Headers,
}

impl Head {
    fn answer(self, body: Bytes, timings: Timings, room: Room) -> Response {
        Response {
            version: self.version,
            status: self.status,
            headers: self.headers,
            body,
            timings,
            room,
        }
    }
}

impl Http1 {
    pub(super) fn new(stream: Stream) -> Http1 {
        Http1 {
            stream,
            buffer: BytesMut::with_capacity(READ_SIZE),
            room: Room::default(),
            answered: false,
        }
    }

    /// Returns the answer, and whether the connection may be used again.
    pub(super) async fn exchange(
        &mut self,
        request: &Request,
        limits: &Limits,
        start: Instant,
    ) -> Result<(Response, bool), Error> {
        if !self.buffer.is_empty() {
            return Err(Error::new(
                Reason::Protocol,
                "the server sent bytes that belong to no request",
            ));
        }
        self.answered = false;
        let unsent = self.write(request.wire(), limits.max_head).await;
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Err(unsent.err().unwrap_or_else(Error::closed));
        }
        self.answered = true;
        let first_byte = start.elapsed();
        let head = self.read_final_head(request, limits).await?;
        let framing = framing(request.method(), &head)?;
        let body = match framing {
            Framing::Length(length) => self.read_length(length, limits.max_body).await?,
            Framing::Chunked => self.read_chunked(limits.max_body).await?,
            Framing::UntilClose => self.read_until_close(limits.max_body).await?,
        };
        let keep = unsent.is_ok()
            && head.status != 101
            && framing != Framing::UntilClose
            && self.buffer.is_empty()
            && keeps_alive(request, &head);
        let timings = Timings {
            start,
            connect: None,
            first_byte,
            total: start.elapsed(),
        };
        Ok((head.answer(body, timings, std::mem::take(&mut self.room)), keep))
    }

    /// Writes everything, and reads while the other side will not take more: a server that answers before it
    /// has read the request must not leave both waiting. A failed write is not final: an answer may be there.
    async fn write(&mut self, bytes: &[u8], max_early: usize) -> Result<(), Error> {
        let mut sent = 0;
        let Http1 { stream, buffer, .. } = self;
        let result = poll_fn(|context| {
            while sent < bytes.len() {
                match Pin::new(&mut *stream).poll_write(context, &bytes[sent..]) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(Error::closed())),
                    Poll::Ready(Ok(written)) => sent += written,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(Error::from_io(&e))),
                    Poll::Pending => {
                        if buffer.len() >= max_early {
                            return Poll::Pending;
                        }
                        let mut chunk = [0; 4096];
                        let mut read = tokio::io::ReadBuf::new(&mut chunk);
                        match Pin::new(&mut *stream).poll_read(context, &mut read) {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(Err(e)) => return Poll::Ready(Err(Error::from_io(&e))),
                            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                                return Poll::Ready(Err(Error::closed()));
                            }
                            Poll::Ready(Ok(())) => buffer.extend_from_slice(read.filled()),
                        }
                    }
                }
            }
            Pin::new(&mut *stream)
                .poll_flush(context)
                .map_err(|e| Error::from_io(&e))
        });
        result.await
    }

    /// Reads what is there; 0 means that the other side has closed.
    async fn fill(&mut self) -> Result<usize, Error> {
        self.buffer.reserve(READ_SIZE);
        self.stream
            .read_buf(&mut self.buffer)
            .await
            .map_err(|e| Error::from_io(&e))
    }

    async fn fill_or_closed(&mut self) -> Result<(), Error> {
        if self.fill().await? == 0 {
            Err(Error::closed())
        } else {
            Ok(())
        }
    }

    /// Whether a byte of the answer to the last request came.
    pub(super) fn answered(&self) -> bool {
        self.answered
    }

    /// Whether the other side is known to have closed; does not wait.
    pub(super) fn is_closed(&mut self) -> bool {
        !matches!(self.fill().now_or_never(), None | Some(Ok(1..)))
    }

    /// The socket, and what of the other protocol was read with the answer that switched to it.
    pub(super) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.buffer)
    }

    /// Skips interim answers (1xx). A switch of protocols is final, if it was asked for.
    async fn read_final_head(&mut self, request: &Request, limits: &Limits) -> Result<Head, Error> {
        for _ in 0..=MAX_INTERIM {
            let head = self.read_head(limits.max_head).await?;
            match head.status {
                101 if request.header("upgrade").is_some() => return Ok(head),
                101 => {
                    return Err(Error::new(
                        Reason::Protocol,
                        "the server switched protocols unasked",
                    ));
                }
                100..=199 => {}
                _ => return Ok(head),
            }
        }
        let message = format!("the server sent more than {MAX_INTERIM} interim answers (1xx)");
        Err(Error::new(Reason::Protocol, message))
    }

    async fn read_head(&mut self, max: usize) -> Result<Head, Error> {
        loop {
            if let Some(head) = self.parse_head()? {
                return Ok(head);
            }
            if self.buffer.len() > max {
                let message = format!("the head of the answer is larger than {max} bytes");
                return Err(Error::new(Reason::Protocol, message));
            }
            self.fill_or_closed().await?;
        }
    }

    fn parse_head(&mut self) -> Result<Option<Head>, Error> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let malformed = |e: httparse::Error| Error::new(Reason::Protocol, format!("malformed answer: {e}"));
        let read = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            &self.buffer,
            &mut storage,
        );
        let length = match read.map_err(malformed)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(length) => length,
        };
        let base = self.buffer.as_ptr() as usize;
        let position = |slice: &[u8]| {
            let start = slice.as_ptr() as usize - base;
            (small(start), small(start + slice.len()))
        };
        let fields = parsed.headers.iter().map(|h| Field {
            name: position(h.name.as_bytes()),
            value: if h.value.is_empty() {
                (0, 0)
            } else {
                position(h.value)
            },
        });
        let fields = fields.collect();
        let version = if parsed.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        };
        let status = parsed.code.unwrap_or_default();
        let headers = Headers::new(self.buffer.split_to(length).freeze(), fields);
        Ok(Some(Head {
            version,
            status,
            headers,
        }))
    }

    async fn read_length(&mut self, length: usize, max: usize) -> Result<Bytes, Error> {
        if length > max {
            return Err(Error::body_too_large(max));
        }
        while self.buffer.len() < length {
            self.fill_or_closed().await?;
            self.room.hold(self.buffer.len())?;
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn read_until_close(&mut self, max: usize) -> Result<Bytes, Error> {
        while self.fill().await? != 0 {
            if self.buffer.len() > max {
                return Err(Error::body_too_large(max));
            }
            self.room.hold(self.buffer.len())?;
        }
        Ok(self.buffer.split().freeze())
    }

    async fn read_chunked(&mut self, max: usize) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        loop {
            let size = self.read_chunk_size().await?;
            if size == 0 {
                self.skip_trailers().await?;
                return Ok(body.freeze());
            }
            if size > max || body.len() + size > max {
                return Err(Error::body_too_large(max));
            }
            self.room.hold(body.len() + size)?;
            while self.buffer.len() < size + 2 {
                self.fill_or_closed().await?;
                self.room.hold(body.len() + self.buffer.len())?;
            }
            body.extend_from_slice(&self.buffer[..size]);
            if &self.buffer[size..size + 2] != b"\r\n" {
                return Err(Error::new(
                    Reason::Protocol,
                    "a chunk does not end where its size says",
                ));
            }
            let _ = self.buffer.split_to(size + 2);
        }
    }

    async fn read_chunk_size(&mut self) -> Result<usize, Error> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Err(_) => return Err(Error::new(Reason::Protocol, "malformed chunk size")),
                Ok(httparse::Status::Complete((used, size))) => {
                    let _ = self.buffer.split_to(used);
                    return usize::try_from(size)
                        .map_err(|_| Error::new(Reason::Protocol, "chunk size out of range"));
                }
                Ok(httparse::Status::Partial) if self.buffer.len() > MAX_CHUNK_LINE => {
                    return Err(Error::new(
                        Reason::Protocol,
                        "the line with a chunk's size is too long",
                    ));
                }
                Ok(httparse::Status::Partial) => self.fill_or_closed().await?,
            }
        }
    }

    async fn skip_trailers(&mut self) -> Result<(), Error> {
        let mut skipped = 0;
        loop {
            let Some(end) = self.buffer.iter().position(|&b| b == b'\n') else {
                if self.buffer.len() + skipped > MAX_CHUNK_LINE {
                    return Err(Error::new(Reason::Protocol, "the trailers are too long"));
                }
                self.fill_or_closed().await?;
                continue;
            };
            let line = self.buffer.split_to(end + 1);
            skipped += line.len();
            if line.as_ref() == b"\r\n" || line.as_ref() == b"\n" {
                return Ok(());
            }
            if skipped > MAX_CHUNK_LINE {
                return Err(Error::new(Reason::Protocol, "the trailers are too long"));
            }
        }
    }
}

/// Positions fit because a head is limited; a longer one is refused before it is sliced.
fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn framing(method: &str, head: &Head) -> Result<Framing, Error> {
    if method == "HEAD" || matches!(head.status, 101 | 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if let Some(encoding) = head.headers.get("transfer-encoding") {
        let last = encoding
            .rsplit(',')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        return Ok(if last == "chunked" {
            Framing::Chunked
        } else {
            Framing::UntilClose
        });
    }
    let mut length = None;
    for value in head.headers.get_all("content-length") {
        for part in value.split(',') {
            let part = part.trim();
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let parsed = if digits { part.parse::<usize>().ok() } else { None };
            let parsed = parsed.ok_or_else(|| Error::new(Reason::Protocol, "malformed Content-Length"))?;
            if length.is_some_and(|known| known != parsed) {
                return Err(Error::new(Reason::Protocol, "two Content-Length that differ"));
            }
            length = Some(parsed);
        }
    }
    Ok(length.map_or(Framing::UntilClose, Framing::Length))
}

fn keeps_alive(request: &Request, head: &Head) -> bool {
    let names = |value: &str, token: &str| value.split(',').any(|t| t.trim().eq_ignore_ascii_case(token));
    if request
        .header("connection")
        .is_some_and(|value| names(value, "close"))
    {
        return false;
    }
    match head.headers.get("connection") {
        Some(value) if names(&value, "close") => false,
        Some(value) if names(&value, "keep-alive") => true,
        _ => head.version == Version::Http11,
    }
}
