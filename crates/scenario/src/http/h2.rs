//! HTTP/2 (RFC 9113) over `hyper`: one exchange at a time on one connection.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::connect::Stream;
use super::connection::Limits;
use super::error::{Error, Reason};
use super::request::{Request, Version};
use super::response::{Headers, Response, Timings};
use super::room::Room;
use super::target::Scheme;

/// Fields that HTTP/2 does not know (RFC 9113, section 8.2.2), and those that its framing replaces.
const CONNECTION_FIELDS: [&str; 7] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "content-length",
];

pub(super) struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Http2 {
    pub(super) async fn handshake(stream: Stream, timeout: Duration) -> Result<Http2, Error> {
        let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .max_header_list_size(256 * 1024)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = tokio::time::timeout(timeout, handshake)
            .await
            .map_err(|_| Error::new(Reason::Timeout, format!("no HTTP/2 handshake within {timeout:?}")))?
            .map_err(|e| Error::new(Reason::Protocol, format!("HTTP/2 handshake: {e}")))?;
        // Its error reaches the exchange that is under way; there is nothing more to do with it here.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Http2 { sender, driver })
    }

    pub(super) fn exchange<'a>(
        &'a mut self,
        request: &'a Request,
        limits: &'a Limits,
        start: Instant,
    ) -> BoxFuture<'a, Result<(Response, bool), Error>> {
        Box::pin(self.exchanged(request, limits, start))
    }

    async fn exchanged(
        &mut self,
        request: &Request,
        limits: &Limits,
        start: Instant,
    ) -> Result<(Response, bool), Error> {
        self.sender.ready().await.map_err(|e| from_hyper(&e))?;
        let answer = self
            .sender
            .send_request(convert(request)?)
            .await
            .map_err(|e| from_hyper(&e))?;
        let first_byte = start.elapsed();
        let (head, body) = answer.into_parts();
        let (body, room) = collect(body, limits.max_body).await?;
        let headers = Headers::from_pairs(head.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())));
        let timings = Timings {
            start,
            connect: None,
            first_byte,
            total: start.elapsed(),
        };
        let status = head.status.as_u16();
        let response = Response {
            version: Version::Http2,
            status,
            headers,
            body,
            timings,
            room,
        };
        Ok((response, !self.sender.is_closed()))
    }
}

fn convert(request: &Request) -> Result<http::Request<Full<Bytes>>, Error> {
    let unsendable = |e: http::Error| Error::new(Reason::Other, format!("not a valid HTTP/2 request: {e}"));
    let scheme = match request.target().scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let authority = request
        .header("host")
        .map_or_else(|| request.target().authority(), str::to_string);
    let uri = format!("{scheme}://{authority}{}", request.path());
    let mut builder = http::Request::builder().method(request.method()).uri(uri);
    for (name, value) in request.headers() {
        if !CONNECTION_FIELDS
            .iter()
            .any(|field| name.eq_ignore_ascii_case(field))
        {
            builder = builder.header(name, value);
        }
    }
    builder
        .version(http::Version::HTTP_2)
        .body(Full::new(request.body().clone()))
        .map_err(unsendable)
}

async fn collect(body: hyper::body::Incoming, max: usize) -> Result<(Bytes, Room), Error> {
    let mut body = Limited::new(body, max);
    let (mut collected, mut room) = (BytesMut::new(), Room::default());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| match e.downcast_ref::<hyper::Error>() {
            Some(e) => from_hyper(e),
            None => Error::body_too_large(max),
        })?;
        if let Ok(data) = frame.into_data() {
            room.hold(collected.len() + data.len())?;
            collected.extend_from_slice(&data);
        }
    }
    Ok((collected.freeze(), room))
}

fn from_hyper(error: &hyper::Error) -> Error {
    let closed = error.is_closed() || error.is_canceled() || error.is_incomplete_message();
    let reason = if closed { Reason::Closed } else { Reason::Protocol };
    Error::new(reason, format!("HTTP/2: {error}"))
}
