//! The live channel of this process: who listens, what each may hear, where each left off.
//!
//! Messages are rows with positions. The hub reads new rows and hands them to the listeners of their workspace; a
//! listener that comes back with its token reads what it missed from the rows. A listener that is too slow is told so.

mod connection;
mod tickets;
mod token;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use connection::{CloseReason, Delivery, Subscription};
use connection::{Connection, Place};
use dashmap::DashMap;
use db::{Db, Scope};
use domain::{
    identity::UserStatus,
    ids::{ApiKeyId, Clock, SessionId, UserId, WorkspaceId},
    problem::{ErrorCode, Extension},
};
pub use store::live::Holder;
use store::{
    api_keys,
    live::{self, LiveMessage},
    sessions,
};
pub use tickets::holder_of;
pub use token::ResumeToken;
use tokio::sync::{Mutex, broadcast, watch};
use uuid::Uuid;

use crate::{AppError, Result};

/// How long a client may stay away and miss nothing.
pub const RESUME: Duration = Duration::from_secs(15 * 60);
/// Time between heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// A connection without a sign of life for so long is closed.
pub const SILENCE: Duration = Duration::from_secs(900);
/// Rows read at a time.
const BATCH: u32 = 500;

/// Bounds of the live channel in this process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of one user at once. Default: 10.
    pub per_user: usize,
    /// Connections in all. Default: 10,000.
    pub total: usize,
    /// Messages of a workspace that wait for its slowest listener. Default: 256.
    pub buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_user: 10,
            total: 10_000,
            buffer: 256,
        }
    }
}

/// What the hub counts, for gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubStats {
    /// Connections open.
    pub connections: usize,
    /// Workspaces somebody listens to.
    pub workspaces: usize,
    /// Messages that slow listeners lost so far.
    pub lost: u64,
    /// Connections closed because their right was revoked.
    pub revoked: u64,
}

/// The listeners of this process.
pub struct Hub {
    db: Db,
    clock: Arc<dyn Clock>,
    limits: Limits,
    rooms: DashMap<WorkspaceId, broadcast::Sender<Arc<LiveMessage>>>,
    connections: DashMap<Uuid, Connection>,
    /// How many connections each user has; the sum is `open`.
    users: DashMap<UserId, usize>,
    open: AtomicUsize,
    stopping: AtomicBool,
    next_connection: AtomicU64,
    /// Position of the last message handed out; -1 before the first look.
    position: AtomicI64,
    /// One pump at a time, so that messages keep their order.
    pumping: Mutex<()>,
    lost: AtomicU64,
    revoked: AtomicU64,
}

impl Hub {
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            db,
            clock,
            limits,
            rooms: DashMap::new(),
            connections: DashMap::new(),
            users: DashMap::new(),
            open: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            next_connection: AtomicU64::new(0),
            position: AtomicI64::new(-1),
            pumping: Mutex::new(()),
            lost: AtomicU64::new(0),
            revoked: AtomicU64::new(0),
        })
    }

    /// Wakes whoever calls [`pump`](Self::pump) when there are new messages, of this process or another.
    #[must_use]
    pub fn news(&self) -> db::Listener {
        self.db.listen(live::TOPIC)
    }

    /// Hands new messages to their listeners; tells how many there were. Repeat until there are none.
    ///
    /// # Errors
    /// If the database refuses; nothing is skipped then.
    pub async fn pump(&self) -> Result<usize> {
        let _turn = self.pumping.lock().await;
        // Messages of every tenant; each goes only to the listeners of its own.
        let scope = Scope::system();
        let db = self.db.scoped(&scope);
        let last = self.position.load(Ordering::Acquire);
        if last < 0 {
            self.position.store(live::last(&db).await?, Ordering::Release);
            return Ok(0);
        }
        let messages = live::since(&db, last, BATCH).await?;
        let count = messages.len();
        for message in messages {
            let position = message.position;
            if let Some(room) = self.rooms.get(&message.workspace) {
                // An error means that the last listener has just left.
                let _ = room.send(Arc::new(message));
            }
            self.position.store(position, Ordering::Release);
        }
        Ok(count)
    }

    /// Begins to listen. With a token, first what came after it.
    ///
    /// # Errors
    /// Limit exceeded if the user, or everybody together, has too many connections.
    pub async fn subscribe(
        self: &Arc<Self>,
        holder: Holder,
        resume: Option<ResumeToken>,
    ) -> Result<Subscription> {
        let (stop, stopped) = watch::channel(None);
        let place = self.admit(holder, stop)?;
        let receiver = self
            .rooms
            .entry(holder.workspace)
            .or_insert_with(|| broadcast::channel(self.limits.buffer).0)
            .subscribe();
        if self.position.load(Ordering::Acquire) < 0 {
            self.pump().await?;
        }
        let now = self.clock.now();
        let here = self.position.load(Ordering::Acquire);
        let (after, gap) = match resume {
            None => (None, false),
            Some(token) if now.since(token.at) > RESUME => (None, true),
            Some(token) if token.position > here && token.position > self.newest().await? => (None, true),
            Some(token) => (Some(token.position), false),
        };
        Ok(Subscription::new(
            place, holder, receiver, stopped, after, here, gap,
        ))
    }

    /// The position of the newest message of all. This process may lag behind another, which has handed out more; but a
    /// token beyond this one is from before the database was put back to an earlier state.
    async fn newest(&self) -> Result<i64> {
        let scope = Scope::system();
        Ok(live::last(&self.db.scoped(&scope)).await?)
    }

    /// Counts the connection in; the place takes it out again, whatever happens.
    fn admit(self: &Arc<Self>, holder: Holder, stop: watch::Sender<Option<CloseReason>>) -> Result<Place> {
        self.take_slot(holder.user)?;
        let id = Uuid::from_u128(self.next_connection.fetch_add(1, Ordering::Relaxed).into());
        self.connections.insert(id, Connection { holder, stop });
        let place = Place {
            hub: Arc::clone(self),
            id,
            user: holder.user,
            workspace: holder.workspace,
        };
        // Whoever comes while all are sent away is sent away too.
        if self.stopping.load(Ordering::SeqCst) {
            self.close_all();
        }
        Ok(place)
    }

    fn take_slot(&self, user: UserId) -> Result<()> {
        let refuse = |allowed: usize| {
            let error = AppError::new(
                ErrorCode::LimitExceeded,
                "too many live connections are open; close one first",
            );
            Err(error
                .with(Extension::Limit, "live_connections")
                .with(Extension::Allowed, allowed))
        };
        // The entry is held for these few lines, so that two that come together are counted one after the other.
        let mut of_user = self.users.entry(user).or_insert(0);
        if *of_user >= self.limits.per_user {
            return refuse(self.limits.per_user);
        }
        if self.open.fetch_add(1, Ordering::SeqCst) >= self.limits.total {
            self.open.fetch_sub(1, Ordering::SeqCst);
            drop(of_user);
            self.users.remove_if(&user, |_, count| *count == 0);
            return refuse(self.limits.total);
        }
        *of_user += 1;
        Ok(())
    }

    fn leave(&self, id: Uuid, user: UserId, workspace: WorkspaceId) {
        self.connections.remove(&id);
        self.open.fetch_sub(1, Ordering::SeqCst);
        if let Some(mut count) = self.users.get_mut(&user) {
            *count -= 1;
        }
        self.users.remove_if(&user, |_, count| *count == 0);
        self.rooms
            .remove_if(&workspace, |_, room| room.receiver_count() == 0);
    }

    /// Closes connections whose session, key or membership has ended. A worker calls it every few seconds.
    ///
    /// # Errors
    /// If the database refuses; everything stays open then.
    pub async fn check_rights(&self) -> Result<()> {
        let open: Vec<(Uuid, Holder)> = self
            .connections
            .iter()
            .map(|open| (*open.key(), open.holder))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let sessions: Vec<SessionId> = open.iter().filter_map(|(_, holder)| holder.session).collect();
        let keys: Vec<ApiKeyId> = open.iter().filter_map(|(_, holder)| holder.api_key).collect();
        // Sessions and keys of many tenants at once; their rows say which is whose.
        let scope = Scope::system();
        let db = self.db.scoped(&scope);
        let now = self.clock.now();
        let mut valid: std::collections::HashSet<(Uuid, WorkspaceId, UserId)> =
            std::collections::HashSet::new();
        for session in sessions::authenticate(&db, sessions).await? {
            if session.status == UserStatus::Active && session.expires_at > now {
                valid.insert((session.id.uuid(), session.workspace_id, session.user_id));
            }
        }
        for key in api_keys::authenticate(&db, keys).await? {
            if key.status == UserStatus::Active && key.expires_at.is_none_or(|end| end > now) {
                valid.insert((key.id.uuid(), key.workspace_id, key.created_by));
            }
        }
        for (id, holder) in open {
            let credential = holder
                .session
                .map(SessionId::uuid)
                .or(holder.api_key.map(ApiKeyId::uuid));
            let still = credential.is_some_and(|one| valid.contains(&(one, holder.workspace, holder.user)));
            if !still {
                self.revoke(id);
            }
        }
        Ok(())
    }

    fn revoke(&self, id: Uuid) {
        if let Some(connection) = self.connections.get(&id) {
            self.revoked.fetch_add(1, Ordering::Relaxed);
            let _ = connection.stop.send(Some(CloseReason::Revoked));
        }
    }

    /// Closes every connection, and those that are still being opened, because the process stops.
    pub fn close_all(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for connection in &self.connections {
            let _ = connection.stop.send(Some(CloseReason::Stopping));
        }
    }

    /// What the hub counts.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        HubStats {
            connections: self.open.load(Ordering::Relaxed),
            workspaces: self.rooms.len(),
            lost: self.lost.load(Ordering::Relaxed),
            revoked: self.revoked.load(Ordering::Relaxed),
        }
    }
}
