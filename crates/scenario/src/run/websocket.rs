//! WebSocket conversations (RFC 6455): the handshake is an ordinary exchange of the entry, then messages are sent and
//! awaited in the order of the file, then the socket is closed as the protocol asks.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message as Frame};

use super::answer::{Answer, Exchange};
use super::exchange::Place;
use super::failure::{Failure, Run};
use super::query::Looking;
use super::request::Draft;
use super::template::Scope;
use crate::http::{Connection, Error, Limits, Reason, Response, Stream};
use crate::outcome::{AssertOutcome, ErrorKind, Message, Observer};
use crate::settings::Settings;
use crate::syntax::{Assert, Pos, Step, Template};

type Socket = WebSocketStream<Stream>;

/// A handshake on its way: the answer must fit its key.
pub(super) struct Handshake {
    key: String,
}

impl Handshake {
    /// Adds the headers that ask for a WebSocket; those that the file has itself stay as they are.
    pub(super) fn begin(settings: &Settings, draft: &mut Draft<'_>) -> Handshake {
        let key = STANDARD.encode((settings.uuids)().as_bytes());
        let asked = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", &key),
        ];
        for (name, value) in asked {
            draft
                .headers
                .retain(|(known, _)| name != "Connection" || !known.eq_ignore_ascii_case(name));
            if !draft
                .headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                draft.headers.push((name.into(), value.to_string().into()));
            }
        }
        let sent = draft
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
        Handshake {
            key: sent.map(|(_, value)| value.to_string()).unwrap_or_default(),
        }
    }

    /// The socket, if the server did switch.
    pub(super) fn end(
        self,
        answer: &Exchange,
        upgraded: Option<Box<Connection>>,
        limits: &Limits,
        pos: Pos,
    ) -> Run<Handover> {
        let refused = |message: String| Failure::new(pos, ErrorKind::Http(Reason::Protocol), message);
        let status = answer.response.status;
        let (stream, early) = upgraded.and_then(|open| open.into_upgraded()).ok_or_else(|| {
            refused(format!(
                "the server did not switch to WebSocket: it answered {status}"
            ))
        })?;
        let accepted = answer
            .response
            .headers
            .get("sec-websocket-accept")
            .unwrap_or_default();
        if accepted.trim() != derive_accept_key(self.key.as_bytes()) {
            return Err(refused(
                "the server's Sec-WebSocket-Accept does not fit the key it was sent".to_string(),
            ));
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits.max_body))
            .max_frame_size(Some(limits.max_body));
        Ok(Handover {
            stream,
            early: early.to_vec(),
            config,
        })
    }
}

/// A socket that speaks WebSocket from now on.
pub(super) struct Handover {
    stream: Stream,
    early: Vec<u8>,
    config: WebSocketConfig,
}

/// The messages of one entry.
pub(super) struct Conversation<'a> {
    /// The answer that opened it; messages are looked at as if they were its body.
    pub(super) opened: &'a Exchange,
    pub(super) scope: Scope<'a>,
    pub(super) coerce: bool,
    /// Longest time for one message, sent or awaited.
    pub(super) wait: Duration,
    pub(super) place: Place<'a>,
}

/// A message that came, and whether it is as asserted.
type Heard = (usize, AssertOutcome);

impl Conversation<'_> {
    /// Says and hears everything, then closes. One row per message awaited; the first that does not hold ends it.
    pub(super) async fn carry_out(
        &self,
        socket: Handover,
        steps: &[Step],
        seen: &mut dyn Observer,
        rows: &mut Vec<AssertOutcome>,
    ) -> Run<()> {
        let Handover {
            stream,
            early,
            config,
        } = socket;
        let mut socket = Socket::from_partially_read(stream, early, Role::Client, Some(config)).await;
        let mut since = Instant::now();
        for step in steps {
            let (assert, passing) = match step {
                Step::Expect(assert) => (assert, false),
                Step::Await(assert) => (assert, true),
                Step::Send(template) => {
                    self.say(&mut socket, template).await?;
                    since = Instant::now();
                    continue;
                }
            };
            let heard = self.hear(&mut socket, assert, passing).await;
            let pos = assert.predicate.pos;
            self.tell(
                seen,
                pos,
                since,
                heard.as_ref().map(|(size, row)| (*size, row.ok)),
            );
            since = Instant::now();
            let (_, row) = heard.map_err(|e| failed(pos, e))?;
            let ok = row.ok;
            rows.push(row);
            if !ok {
                return Ok(());
            }
        }
        let pos = self.place.request.url.pos;
        self.close(&mut socket).await.map_err(|error| {
            self.tell(seen, pos, since, Err(&error));
            failed(pos, error)
        })
    }

    fn tell(&self, seen: &mut dyn Observer, pos: Pos, start: Instant, result: Result<(usize, bool), &Error>) {
        seen.message(&Message {
            entry: self.place.entry,
            line: pos.line,
            attempt: self.place.attempt,
            result: result.map_err(Clone::clone),
            start,
            took: start.elapsed(),
        });
    }

    async fn say(&self, socket: &mut Socket, template: &Template) -> Run<()> {
        let text = self.scope.text(template)?.into_owned();
        let sent = tokio::time::timeout(self.wait, socket.send(Frame::text(text))).await;
        let late = || {
            Error::new(
                Reason::Timeout,
                format!("the message could not be sent within {:?}", self.wait),
            )
        };
        sent.map_err(|_| late())
            .and_then(|sent| sent.map_err(error_of))
            .map_err(|e| failed(template.pos, e))
    }

    /// The next message; or the first that fits, and if none comes in time the last one that did not.
    async fn hear(&self, socket: &mut Socket, assert: &Assert, passing: bool) -> Result<Heard, Error> {
        let mut last = None;
        let listening = async {
            loop {
                let body = next(socket).await?;
                let (size, row) = (body.len(), self.look(body, assert, passing).await);
                if row.ok || !passing {
                    return Ok((size, row));
                }
                last = Some((size, row));
            }
        };
        let heard = tokio::time::timeout(self.wait, listening).await;
        heard.unwrap_or_else(|_| {
            last.ok_or_else(|| Error::new(Reason::Timeout, format!("no message within {:?}", self.wait)))
        })
    }

    async fn look(&self, body: Bytes, assert: &Assert, passing: bool) -> AssertOutcome {
        let message = Exchange {
            response: Response {
                body,
                ..self.opened.response.clone()
            },
            url: self.opened.url.clone(),
            peer: self.opened.peer,
            upgraded: None,
        };
        let answer = Answer::new(
            std::slice::from_ref(&message),
            self.scope.settings.limits.max_body,
        );
        let looking = Looking {
            answer: &answer,
            scope: self.scope,
            coerce: self.coerce,
        };
        let row = match looking.assert_row(assert).await {
            Ok(row) => row,
            Err(failure) => looking.failed(&failure, assert.predicate.pos, &assert.source),
        };
        let word = if passing { "@await" } else { "@expect" };
        AssertOutcome {
            text: format!("{word} {}", row.text),
            ..row
        }
    }

    /// Closes as the protocol asks: a close of ours, and the server's answer to it.
    async fn close(&self, socket: &mut Socket) -> Result<(), Error> {
        let closing = async {
            socket.close(None).await.or_else(closed_is_fine)?;
            while let Some(message) = socket.next().await {
                message.map(|_| ()).or_else(closed_is_fine)?;
            }
            Ok(())
        };
        let late = || {
            Error::new(
                Reason::Timeout,
                format!("the server did not close within {:?}", self.wait),
            )
        };
        tokio::time::timeout(self.wait, closing)
            .await
            .unwrap_or_else(|_| Err(late()))
    }
}

/// The next text or binary message; pings are answered by the library.
async fn next(socket: &mut Socket) -> Result<Bytes, Error> {
    loop {
        let frame = socket.next().await.ok_or_else(Error::closed)?.map_err(error_of)?;
        match frame {
            Frame::Text(text) => return Ok(Bytes::copy_from_slice(text.as_bytes())),
            Frame::Binary(bytes) => return Ok(bytes),
            Frame::Close(why) => {
                let why = why.map_or_else(|| "without a code".to_string(), |frame| format!("with {frame}"));
                return Err(Error::new(
                    Reason::Closed,
                    format!("the server closed the WebSocket {why}"),
                ));
            }
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => {}
        }
    }
}

fn closed_is_fine(error: WsError) -> Result<(), Error> {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => Ok(()),
        other => Err(error_of(other)),
    }
}

fn error_of(error: WsError) -> Error {
    let reason = match &error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => Reason::Closed,
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Reason::Closed,
        WsError::Capacity(_) => Reason::BodyTooLarge,
        WsError::Io(io) => return Error::from_io(io),
        _ => Reason::Protocol,
    };
    Error::new(reason, error.to_string())
}

fn failed(pos: Pos, error: Error) -> Failure {
    Failure::new(pos, ErrorKind::Http(error.reason), error.message)
}
