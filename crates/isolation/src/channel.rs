//! A live channel as a client holds it: a WebSocket or a stream of server-sent events.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, Limited};
use hyper::HeaderMap;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::exchange::{Answer, Exchange, Request};
use crate::ledger::Who;
use crate::net::{Place, Stream, header_pairs};

/// Longest wait for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

enum Wire {
    Socket(Box<WebSocketStream<Box<dyn Stream>>>),
    Events {
        body: hyper::body::Incoming,
        buffer: Buffer,
    },
}

/// What has come of an event stream and is no whole event yet.
struct Buffer {
    bytes: Vec<u8>,
    /// No event ends before this.
    searched: usize,
    /// Most bytes of one event.
    limit: usize,
}

impl Buffer {
    fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            searched: 0,
            limit,
        }
    }

    /// Adds what came; `None` when an event is over the limit.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.extend_from_slice(bytes);
        (self.bytes.len() <= self.limit).then_some(())
    }

    /// Takes the data of the next event that has any. A chunk may end anywhere, also between two line ends.
    fn take(&mut self) -> Option<String> {
        const ENDS: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];
        loop {
            let length_at = |at: usize| {
                ENDS.iter()
                    .find(|end| self.bytes[at..].starts_with(end))
                    .map(|end| at + end.len())
            };
            let Some(end) = (self.searched..self.bytes.len()).find_map(length_at) else {
                self.searched = self.bytes.len().saturating_sub(3);
                return None;
            };
            let event: Vec<u8> = self.bytes.drain(..end).collect();
            self.searched = 0;
            let event = String::from_utf8_lossy(&event);
            let lines = event
                .split(['\n', '\r'])
                .filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<&str> = lines.map(str::trim_start).collect();
            if data.iter().any(|line| !line.is_empty()) {
                return Some(data.join("\n"));
            }
        }
    }
}

/// An open channel.
pub struct Channel {
    wire: Wire,
    /// The opening, as evidence.
    pub opening: Exchange,
}

impl Channel {
    /// Opens a channel. An answer that is no channel is given back as such.
    ///
    /// # Errors
    /// The reason why there was neither.
    pub async fn open(
        place: &Place,
        who: Option<Who>,
        request: Request,
        sse: bool,
    ) -> Result<Result<Self, Exchange>, String> {
        let opening = async {
            if sse {
                Self::open_events(place, who, &request).await
            } else {
                Self::open_socket(place, who, &request).await
            }
        };
        tokio::time::timeout(HANDSHAKE, opening)
            .await
            .map_err(|_| "no handshake in time".to_owned())?
    }

    async fn open_socket(
        place: &Place,
        who: Option<Who>,
        request: &Request,
    ) -> Result<Result<Self, Exchange>, String> {
        let sent = Instant::now();
        let stream = place.connect(0).await.map_err(|error| error.to_string())?;
        let base = place.base();
        let scheme = if base.scheme() == "https" { "wss" } else { "ws" };
        let url = format!(
            "{scheme}://{}{}{}",
            place.host(0),
            base.path().trim_end_matches('/'),
            request.path
        );
        let mut handshake = tungstenite::client::IntoClientRequest::into_client_request(url)
            .map_err(|error| error.to_string())?;
        for (name, value) in &request.headers {
            let name =
                hyper::header::HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            let value = hyper::header::HeaderValue::from_bytes(value.as_bytes())
                .map_err(|error| error.to_string())?;
            handshake.headers_mut().append(name, value);
        }
        match tokio_tungstenite::client_async(handshake, stream).await {
            Ok((socket, answer)) => {
                let (status, headers) = (answer.status().as_u16(), answer.headers());
                let opening = note(who, request, status, headers, Bytes::new(), sent);
                Ok(Ok(Self {
                    wire: Wire::Socket(Box::new(socket)),
                    opening,
                }))
            }
            Err(tungstenite::Error::Http(answer)) => {
                let body = Bytes::from(answer.body().clone().unwrap_or_default());
                let (status, headers) = (answer.status().as_u16(), answer.headers());
                Ok(Err(note(who, request, status, headers, body, sent)))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    async fn open_events(
        place: &Place,
        who: Option<Who>,
        request: &Request,
    ) -> Result<Result<Self, Exchange>, String> {
        let sent = Instant::now();
        let stream = place.connect(0).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let path = format!("{}{}", place.base().path().trim_end_matches('/'), request.path);
        let mut outgoing = hyper::Request::builder()
            .uri(path)
            .header("host", place.host(0))
            .header("accept", "text/event-stream");
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let outgoing = outgoing
            .body(Full::new(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let answer = sender
            .send_request(outgoing)
            .await
            .map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let status = head.status.as_u16();
        let stream = head
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if status != 200 || !stream {
            let body = Limited::new(body, place.max_body()).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            return Ok(Err(note(who, request, status, &head.headers, body, sent)));
        }
        let buffer = Buffer::new(place.max_body());
        Ok(Ok(Self {
            wire: Wire::Events { body, buffer },
            opening: note(who, request, status, &head.headers, Bytes::new(), sent),
        }))
    }

    /// Sends a text frame. An event stream has no way back and ignores it.
    ///
    /// # Errors
    /// When the channel is closed.
    pub async fn say(&mut self, text: String) -> Result<(), String> {
        match &mut self.wire {
            Wire::Socket(socket) => socket
                .send(Message::text(text))
                .await
                .map_err(|error| error.to_string()),
            Wire::Events { .. } => Ok(()),
        }
    }

    /// The next frame; `None` when nothing comes for that long, or the channel is closed.
    pub async fn next(&mut self, quiet: Duration) -> Option<String> {
        tokio::time::timeout(quiet, self.receive()).await.ok().flatten()
    }

    async fn receive(&mut self) -> Option<String> {
        match &mut self.wire {
            Wire::Socket(socket) => loop {
                match socket.next().await? {
                    Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                    Ok(Message::Binary(bytes)) => return Some(String::from_utf8_lossy(&bytes).into_owned()),
                    Ok(Message::Close(_)) | Err(_) => return None,
                    Ok(_) => {}
                }
            },
            Wire::Events { body, buffer } => loop {
                if let Some(data) = buffer.take() {
                    return Some(data);
                }
                let frame = body.frame().await?.ok()?;
                if let Ok(bytes) = frame.into_data() {
                    buffer.push(&bytes)?;
                }
            },
        }
    }

    /// Ends the channel in good form.
    pub async fn close(mut self) {
        if let Wire::Socket(socket) = &mut self.wire {
            let _gone = tokio::time::timeout(Duration::from_millis(200), SinkExt::close(socket)).await;
        }
    }
}

fn note(
    who: Option<Who>,
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: Bytes,
    sent: Instant,
) -> Exchange {
    let answer = Answer {
        status,
        headers: header_pairs(headers),
        body,
    };
    Exchange {
        who,
        request: request.clone(),
        answer,
        sent,
        took: sent.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_their_bytes_are_cut() {
        let stream =
            "data: one\ndata: more\n\n: nothing\n\ndata:\n\nid: 2\r\ndata: two\r\n\r\ndata: three\r\r";
        for size in 1..=stream.len() {
            let mut buffer = Buffer::new(100);
            let mut events = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                buffer.push(chunk).unwrap();
                events.extend(std::iter::from_fn(|| buffer.take()));
            }
            assert_eq!(events, ["one\nmore", "two", "three"], "chunks of {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_given_up_at_the_limit() {
        let mut buffer = Buffer::new(100);
        assert!(buffer.push(&[b'x'; 100]).is_some());
        assert_eq!(buffer.take(), None);
        assert!(buffer.push(b"x").is_none());
    }
}
