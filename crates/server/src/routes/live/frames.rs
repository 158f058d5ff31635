//! What goes over the live channel besides messages, and which messages a client wants. Both ways to listen share it.

use std::time::Duration;

use app::live::{Delivery, HEARTBEAT, Subscription};
use serde::Serialize;

/// Longest time one message may take to be taken by the client.
pub(super) const SEND: Duration = Duration::from_secs(30);
/// What a client can listen to.
const TOPICS: [&str; 6] = [
    "notifications",
    "events",
    "errors",
    "jobs",
    "releases",
    "circuit_activity",
];

/// Which topics a client wants; what the server says about the connection always comes.
pub(super) struct Topics(Option<Vec<&'static str>>);

impl Topics {
    /// Reads a list separated by commas. No list means all topics.
    ///
    /// # Errors
    /// Names what is no topic.
    pub fn parse(list: Option<&str>) -> Result<Self, String> {
        let Some(list) = list else { return Ok(Self(None)) };
        let known = |name: &str| {
            let found = TOPICS.into_iter().find(|topic| *topic == name.trim());
            found.ok_or_else(|| format!("`{}` is no topic; there are {}", name.trim(), TOPICS.join(", ")))
        };
        let wanted: Result<Vec<_>, _> = list.split(',').map(known).collect();
        Ok(Self(Some(wanted?)))
    }

    /// Whether the client wants to have this.
    pub fn want(&self, delivery: &Delivery) -> bool {
        match (delivery, &self.0) {
            (Delivery::Message { topic, .. }, Some(wanted)) => wanted.iter().any(|one| one == topic),
            _ => true,
        }
    }
}

/// A word about the connection itself. Its number is that of the last message.
#[derive(Serialize)]
pub(super) struct Word {
    pub topic: &'static str,
    pub seq: u64,
    pub resume_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Greeting>,
}

#[derive(Serialize)]
pub(super) struct Greeting {
    heartbeat_seconds: u64,
}

/// The first word of a connection.
pub(super) fn hello(subscription: &Subscription) -> Word {
    let data = Greeting {
        heartbeat_seconds: HEARTBEAT.as_secs(),
    };
    Word {
        data: Some(data),
        ..word("hello", subscription)
    }
}

/// Said now and then, with the present token: who leaves after a long silence comes back with a fresh one.
pub(super) fn heartbeat(subscription: &Subscription) -> Word {
    word("heartbeat", subscription)
}

fn word(topic: &'static str, subscription: &Subscription) -> Word {
    Word {
        topic,
        seq: subscription.seq(),
        resume_token: subscription.resume_token(),
        data: None,
    }
}
