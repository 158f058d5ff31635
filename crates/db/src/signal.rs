//! Wake-ups: a unit of work tells others, in this process and in those that share the database, that there is news.
//!
//! A wake-up carries no data. Whoever is woken looks into the tables, and looks now and then without being woken: a
//! wake-up may come for nothing, two may become one, and while the database is unreachable none come.
//!
//! PostgreSQL carries them by `notify`, sent in the unit's own transaction and delivered after its commit, so its
//! rows are visible to whoever is woken. The server takes one lock for all commits that notify: send them from
//! workers that do many things in one unit, not from every request. On SQLite there is one process; its writer
//! wakes the listeners after the commit.

use dashmap::DashMap;
use tokio::sync::watch;

use crate::{Sql, Step, Value};

/// The channel of all wake-ups; the payload is the topic.
pub(crate) const CHANNEL: &str = "farmgate";

pub(crate) static WAKE: Sql = Sql::two("db.wake", "select $1", "select pg_notify('farmgate', $1)");

/// The step that wakes the listeners of a topic once the unit it stands in is committed. Several in one unit count
/// as one.
#[must_use]
pub fn wake(topic: &'static str) -> Step {
    (&WAKE, vec![Value::Static(topic)])
}

/// The topic of a step made by [`wake`].
pub(crate) fn topic(args: &[Value]) -> Option<&'static str> {
    match args {
        [Value::Static(topic)] => Some(topic),
        _ => None,
    }
}

/// Hears the wake-ups of one topic, from when it was made.
pub struct Listener(watch::Receiver<u64>);

impl Listener {
    /// Waits until there was a wake-up since this was last asked, or until one may have been missed because the
    /// connection that carries them was lost and is there again. Waits for ever once the database is closed.
    pub async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// The listeners of this process, by topic. Topics are a closed set of names, so the map is bounded.
#[derive(Default)]
pub(crate) struct Signals(DashMap<String, watch::Sender<u64>>);

impl Signals {
    pub fn listen(&self, topic: &'static str) -> Listener {
        let sender = self
            .0
            .entry(topic.to_owned())
            .or_insert_with(|| watch::Sender::new(0));
        Listener(sender.subscribe())
    }

    pub fn wake(&self, topic: &str) {
        if let Some(sender) = self.0.get(topic) {
            sender.send_modify(|count| *count += 1);
        }
    }

    pub fn wake_all(&self) {
        for sender in &self.0 {
            sender.send_modify(|count| *count += 1);
        }
    }
}
