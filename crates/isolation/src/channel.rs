//! A live channel as a client holds it: a WebSocket or a stream of server-sent events.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::exchange::{Answer, Exchange, Request};
use crate::ledger::Who;
use crate::net::{Place, Stream};

/// Longest wait for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

enum Wire {
    Socket(Box<WebSocketStream<Box<dyn Stream>>>),
    Events {
        body: hyper::body::Incoming,
        buffer: String,
    },
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
                let opening = note(who, request, answer.status().as_u16(), Bytes::new(), sent);
                Ok(Ok(Self {
                    wire: Wire::Socket(Box::new(socket)),
                    opening,
                }))
            }
            Err(tungstenite::Error::Http(answer)) => {
                let body = Bytes::from(answer.body().clone().unwrap_or_default());
                Ok(Err(note(who, request, answer.status().as_u16(), body, sent)))
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
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answer = sender
            .send_request(outgoing)
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let opening = note(who, request, status, Bytes::new(), sent);
        let stream = answer
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if status != 200 || !stream {
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            return Ok(Err(note(who, request, status, body, sent)));
        }
        Ok(Ok(Self {
            wire: Wire::Events {
                body: answer.into_body(),
                buffer: String::new(),
            },
            opening,
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
                if let Some((event, rest)) = buffer.split_once("\n\n") {
                    let data: Vec<&str> = event
                        .lines()
                        .filter_map(|line| line.strip_prefix("data:"))
                        .map(str::trim_start)
                        .collect();
                    let data = data.join("\n");
                    *buffer = rest.to_owned();
                    if data.is_empty() {
                        continue;
                    }
                    return Some(data);
                }
                let frame = body.frame().await?.ok()?;
                if let Ok(bytes) = frame.into_data() {
                    buffer.push_str(&String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
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

fn note(who: Option<Who>, request: &Request, status: u16, body: Bytes, sent: Instant) -> Exchange {
    let answer = Answer {
        status,
        headers: Vec::new(),
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
