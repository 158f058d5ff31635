//! Uses of sessions and keys, counted in memory and written in batches, never on a request's way.

use dashmap::DashMap;
use domain::ids::{ApiKeyId, SessionId, Timestamp};

/// Most sessions, and most keys, noted between two flushes; more are not noted until the next.
const MOST: usize = 100_000;

/// Sessions and keys used since the last flush.
#[derive(Default)]
pub(super) struct Touches {
    sessions: DashMap<SessionId, ()>,
    keys: DashMap<ApiKeyId, Uses>,
}

/// How often a key was used, and when last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uses {
    pub count: i64,
    pub last: Timestamp,
}

impl Touches {
    pub(super) fn session(&self, id: SessionId) {
        // Reading first: between two flushes all but the first use of a session change nothing.
        if !self.sessions.contains_key(&id) && self.sessions.len() < MOST {
            self.sessions.insert(id, ());
        }
    }

    pub(super) fn key(&self, id: ApiKeyId, now: Timestamp) {
        if let Some(mut uses) = self.keys.get_mut(&id) {
            uses.count += 1;
            uses.last = now;
        } else if self.keys.len() < MOST {
            self.keys.insert(id, Uses { count: 1, last: now });
        }
    }

    pub(super) fn take_sessions(&self) -> Vec<SessionId> {
        let ids: Vec<_> = self.sessions.iter().map(|entry| *entry.key()).collect();
        for id in &ids {
            self.sessions.remove(id);
        }
        ids
    }

    pub(super) fn take_keys(&self) -> Vec<(ApiKeyId, Uses)> {
        let ids: Vec<_> = self.keys.iter().map(|entry| *entry.key()).collect();
        ids.iter().filter_map(|id| self.keys.remove(id)).collect()
    }

    /// Gives back what could not be written.
    pub(super) fn put_back(&self, keys: Vec<(ApiKeyId, Uses)>) {
        for (id, uses) in keys {
            self.keys
                .entry(id)
                .and_modify(|present| present.count += uses.count)
                .or_insert(uses);
        }
    }
}
