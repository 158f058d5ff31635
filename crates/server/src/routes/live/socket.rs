//! The live channel as a WebSocket.

use std::pin::pin;

use app::live::{CloseReason, Delivery, HEARTBEAT, SILENCE, Subscription};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use serde::Serialize;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;

use super::frames::{SEND, Topics, heartbeat, hello};

/// Close codes: the right has ended; no sign of life; come back later; something failed here.
const REVOKED: u16 = 4401;
const SILENT: u16 = 4408;
const GOING_AWAY: u16 = 1001;
const FAILED: u16 = 1011;
/// Why a client's frame was not taken (RFC 6455, section 7.4.1): it breaks the protocol; it is no UTF-8; it is too large.
const PROTOCOL: u16 = 1002;
const NO_TEXT: u16 = 1007;
const TOO_LARGE: u16 = 1009;

/// Serves a client until it leaves, falls silent, does not take what it is sent, or loses its right.
pub(super) async fn serve(mut socket: WebSocket, mut subscription: Subscription, topics: Topics) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.reset();
    let mut silence = pin!(tokio::time::sleep(SILENCE));
    if !send(&mut socket, text(&hello(&subscription))).await {
        return;
    }
    loop {
        tokio::select! {
            incoming = socket.recv() => match incoming {
                None | Some(Err(_) | Ok(Message::Close(_))) => return part(&mut socket, incoming).await,
                Some(Ok(_)) => silence.as_mut().reset(Instant::now() + SILENCE),
            },
            () = &mut silence => {
                send(&mut socket, closing(SILENT, "no sign of life; come back with the resume token")).await;
                return;
            }
            _ = beat.tick() => {
                let alive = send(&mut socket, Message::Ping(Vec::new().into())).await
                    && send(&mut socket, text(&heartbeat(&subscription))).await;
                if !alive {
                    return;
                }
            }
            delivery = subscription.next() => {
                let Some(message) = message_of(delivery, &topics) else {
                    continue;
                };
                let closes = matches!(message, Message::Close(_));
                if !send(&mut socket, message).await || closes {
                    return;
                }
            }
        }
    }
}

/// Ends a connection in words: the client's close frame is answered, and a frame that was not taken is refused.
async fn part(socket: &mut WebSocket, last: Option<Result<Message, axum::Error>>) {
    match last {
        Some(Err(error)) => {
            if let Some(refusal) = refusal(error) {
                send(socket, refusal).await;
            }
        }
        // The answer to it waits to be sent.
        Some(Ok(_)) => {
            let _ = tokio::time::timeout(SEND, socket.flush()).await;
        }
        None => {}
    }
}

/// What a client is told whose frame cannot be taken; nothing if it is the connection that failed.
fn refusal(error: axum::Error) -> Option<Message> {
    let error = error.into_inner().downcast::<tungstenite::Error>().ok()?;
    let (code, reason) = match *error {
        tungstenite::Error::Capacity(_) => (TOO_LARGE, "a message has at most 4096 bytes"),
        tungstenite::Error::Protocol(_) => (PROTOCOL, "the frame breaks the protocol"),
        tungstenite::Error::Utf8(_) => (NO_TEXT, "the text is not UTF-8"),
        _ => return None,
    };
    Some(closing(code, reason))
}

/// What the client is told of a delivery, if it wants it.
fn message_of(delivery: app::Result<Delivery>, topics: &Topics) -> Option<Message> {
    match delivery {
        Ok(Delivery::Closed(reason)) => Some(close(reason)),
        Ok(delivery) => topics.want(&delivery).then(|| text(&delivery)),
        Err(error) => {
            tracing::warn!(%error, "a live connection could not be served");
            let reason = "could not read messages; come back with the resume token";
            Some(closing(FAILED, reason))
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND, socket.send(message)).await, Ok(Ok(())))
}

fn text(value: &impl Serialize) -> Message {
    // Plain fields and JSON that was read from the database: they serialise.
    Message::Text(serde_json::to_string(value).unwrap_or_default().into())
}

fn close(reason: CloseReason) -> Message {
    match reason {
        CloseReason::Revoked => closing(REVOKED, "the session or key has ended"),
        CloseReason::Stopping => closing(GOING_AWAY, "the server stops; come back with the resume token"),
    }
}

fn closing(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.into(),
    }))
}
