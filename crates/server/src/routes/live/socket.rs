//! The live channel as a WebSocket.

use std::pin::pin;

use app::live::{CloseReason, Delivery, HEARTBEAT, SILENCE, Subscription};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde::Serialize;
use tokio::time::Instant;

use super::frames::{SEND, Topics, heartbeat, hello};

/// Close codes: the right has ended; no sign of life; come back later; something failed here.
const REVOKED: u16 = 4401;
const SILENT: u16 = 4408;
const GOING_AWAY: u16 = 1001;
const FAILED: u16 = 1011;

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
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
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
