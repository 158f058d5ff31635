//! The live channel as server-sent events.

use std::convert::Infallible;
use std::pin::pin;

use app::live::{CloseReason, Delivery, HEARTBEAT, SILENCE, Subscription};
use axum::response::sse::Event;
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use super::frames::{SEND, Topics, Word, heartbeat, hello};

/// The events of a subscription. Dropping the stream ends it; so does a client that takes nothing.
pub(super) fn stream(
    subscription: Subscription,
    topics: Topics,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // A task of its own: a response that nobody reads is not polled, and could not give its place back.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(feed(subscription, topics, sender));
    stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    })
}

async fn feed(mut subscription: Subscription, topics: Topics, sender: mpsc::Sender<Event>) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.reset();
    let mut end = pin!(tokio::time::sleep(SILENCE));
    if !send(&sender, word(&hello(&subscription))).await {
        return;
    }
    loop {
        let (event, ends) = tokio::select! {
            () = sender.closed() => return,
            () = &mut end => (closed("renew"), true),
            _ = beat.tick() => (word(&heartbeat(&subscription)), false),
            delivery = subscription.next() => match delivery {
                Ok(Delivery::Closed(CloseReason::Revoked)) => (closed("revoked"), true),
                Ok(Delivery::Closed(CloseReason::Stopping)) => (closed("stopping"), true),
                Ok(delivery) if topics.want(&delivery) => (told(&subscription, &delivery), false),
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a live connection could not be served");
                    return;
                }
            },
        };
        if !send(&sender, event).await || ends {
            return;
        }
    }
}

async fn send(sender: &mpsc::Sender<Event>, event: Event) -> bool {
    matches!(tokio::time::timeout(SEND, sender.send(event)).await, Ok(Ok(())))
}

fn told(subscription: &Subscription, delivery: &Delivery) -> Event {
    match delivery {
        Delivery::Message {
            topic, resume_token, ..
        } => event(topic, resume_token, delivery),
        Delivery::Lost { .. } | Delivery::Closed(_) => event("lost", &subscription.resume_token(), delivery),
    }
}

fn word(word: &Word) -> Event {
    event(word.topic, &word.resume_token, word)
}

/// The id is what a browser sends as `Last-Event-ID` when it comes back.
fn event(topic: &str, id: &str, value: &impl Serialize) -> Event {
    // Plain fields and JSON that was read from the database: they serialise.
    let data = serde_json::to_string(value).unwrap_or_default();
    Event::default().event(topic).id(id).data(data)
}

fn closed(why: &'static str) -> Event {
    Event::default().event("closed").data(why)
}
