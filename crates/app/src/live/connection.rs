//! One listener: what it hears, in order, each message once.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use db::Scope;
use domain::ids::{UserId, WorkspaceId};
use serde::Serialize;
use serde_json::value::RawValue;
use store::live::{self, Holder, LiveMessage};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use uuid::Uuid;

use super::{Hub, ResumeToken};
use crate::Result;

/// Messages read at a time for a client that comes back.
const BATCH: u32 = 200;

/// Why the server closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The session, key or membership behind it has ended.
    Revoked,
    /// The process stops; come back with the resume token.
    Stopping,
}

pub(super) struct Connection {
    pub(super) holder: Holder,
    pub(super) stop: watch::Sender<Option<CloseReason>>,
}

/// Keeps the connection in the hub's list; dropping it takes it out.
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) id: Uuid,
    pub(super) user: UserId,
    pub(super) workspace: WorkspaceId,
}

/// What a listener is given.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Delivery {
    /// A message.
    Message {
        /// What it is about.
        topic: String,
        /// Its number on this connection, from 1.
        seq: u64,
        /// Pass it to come back to this place.
        resume_token: String,
        /// The content.
        data: Box<RawValue>,
    },
    /// Messages were lost on the way.
    Lost {
        /// Always `lost`.
        topic: &'static str,
        /// Its number on this connection.
        seq: u64,
        /// Pass it to read again what was lost, if that is not too long ago.
        resume_token: Option<String>,
        /// At most so many messages were lost; absent if nobody knows.
        missed: Option<u64>,
    },
    /// The server closes the connection.
    #[serde(skip)]
    Closed(CloseReason),
}

/// A listener's place in the stream of messages. Dropping it ends the subscription.
pub struct Subscription {
    // Dropped before the place, so that an empty room is seen as empty.
    receiver: broadcast::Receiver<Arc<LiveMessage>>,
    place: Place,
    holder: Holder,
    stopped: watch::Receiver<Option<CloseReason>>,
    backlog: VecDeque<LiveMessage>,
    replaying: bool,
    position: i64,
    seq: u64,
    gap: bool,
}

impl Subscription {
    pub(super) fn new(
        place: Place,
        holder: Holder,
        receiver: broadcast::Receiver<Arc<LiveMessage>>,
        stopped: watch::Receiver<Option<CloseReason>>,
        after: Option<i64>,
        here: i64,
        gap: bool,
    ) -> Self {
        Self {
            receiver,
            place,
            holder,
            stopped,
            backlog: VecDeque::new(),
            replaying: after.is_some(),
            // Without a token the stream begins here; a message handed out meanwhile comes through the receiver.
            position: after.unwrap_or(here),
            seq: 0,
            gap,
        }
    }

    /// The number of the last message.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The token of the present place: all before it was handed out.
    #[must_use]
    pub fn resume_token(&self) -> String {
        ResumeToken::new(self.position, self.place.hub.clock.now()).to_string()
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// If what was missed can't be read.
    pub async fn next(&mut self) -> Result<Delivery> {
        if std::mem::take(&mut self.gap) {
            self.seq += 1;
            return Ok(Delivery::Lost {
                topic: "lost",
                seq: self.seq,
                resume_token: None,
                missed: None,
            });
        }
        loop {
            if let Some(reason) = *self.stopped.borrow() {
                return Ok(Delivery::Closed(reason));
            }
            if let Some(message) = self.backlog.pop_front() {
                if let Some(delivery) = self.deliver(&message) {
                    return Ok(delivery);
                }
                continue;
            }
            if self.replaying {
                self.replay().await?;
                continue;
            }
            tokio::select! {
                changed = self.stopped.changed() => {
                    if changed.is_err() {
                        return Ok(Delivery::Closed(CloseReason::Stopping));
                    }
                }
                received = self.receiver.recv() => {
                    if let Some(delivery) = self.receive(received) {
                        return Ok(delivery);
                    }
                }
            }
        }
    }

    /// Reads the next messages this listener missed; the last, shorter batch ends the replay.
    async fn replay(&mut self) -> Result<()> {
        let scope = Scope::workspace(self.holder.workspace.uuid());
        let db = self.place.hub.db.scoped(&scope);
        let missed = live::since_of(&db, self.holder.workspace, self.position, i64::MAX, BATCH).await?;
        self.replaying = missed.len() == BATCH as usize;
        self.backlog.extend(missed);
        Ok(())
    }

    fn receive(&mut self, received: std::result::Result<Arc<LiveMessage>, RecvError>) -> Option<Delivery> {
        match received {
            Ok(message) => self.deliver(&message),
            Err(RecvError::Lagged(missed)) => {
                self.place.hub.lost.fetch_add(missed, Ordering::Relaxed);
                self.seq += 1;
                let resume_token = Some(self.resume_token());
                Some(Delivery::Lost {
                    topic: "lost",
                    seq: self.seq,
                    resume_token,
                    missed: Some(missed),
                })
            }
            Err(RecvError::Closed) => Some(Delivery::Closed(CloseReason::Stopping)),
        }
    }

    /// The message for the client, unless it is somebody else's or was delivered before.
    fn deliver(&mut self, message: &LiveMessage) -> Option<Delivery> {
        if message.position <= self.position {
            return None;
        }
        self.position = message.position;
        if message.user.is_some_and(|user| user != self.holder.user) {
            return None;
        }
        self.seq += 1;
        let resume_token = ResumeToken::new(message.position, self.place.hub.clock.now()).to_string();
        Some(Delivery::Message {
            topic: message.topic.clone(),
            seq: self.seq,
            resume_token,
            data: message.body.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.leave(self.id, self.user, self.workspace);
    }
}
