//! The streaming replica: when it may answer, and for whom.
//!
//! A watch compares the two servers, round by round. Each write notes the round in which it was acknowledged, for its
//! workspace. Each round asks the primary how far its log reaches and waits until the replica has replayed that far.
//! A workspace whose last write is of a finished round, or that did not write, may read the replica. Requests pay a
//! look into a map for this, and no statement.
//!
//! What other processes wrote is seen with the replica's lag, which the watch bounds.

mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Notify, watch as cell};
use uuid::Uuid;

use super::address::Address;
use super::pool::{Pool, Role};
use crate::{DbConfig, DbError, Observer, PoolStats, PostgresConfig, ReplicaStats, Row, Scope, Step, Tenant};

/// Workspaces noted at most; beyond that all of them wait for the next round.
const NOTED: usize = 50_000;

#[derive(Clone)]
pub(super) struct Replica(Arc<Inner>);

struct Inner {
    pool: Pool,
    /// The replica answers and is not far behind.
    usable: cell::Sender<bool>,
    rounds: Rounds,
    lag: AtomicU64,
    served: AtomicU64,
    passed_on: AtomicU64,
}

impl Replica {
    /// Prepares the pool and begins to watch. The replica is used as soon as it has been seen to keep up.
    pub fn start(
        url: &str,
        target: &PostgresConfig,
        config: &DbConfig,
        observer: Arc<dyn Observer>,
        stop: cell::Receiver<bool>,
    ) -> Result<Self, DbError> {
        let servers = watch::Servers::new(Address::parse(target, &target.url)?, Address::parse(target, url)?);
        let inner = Arc::new(Inner {
            pool: Pool::new(Role::Replica, url, target, config, observer)?,
            usable: cell::Sender::new(false),
            rounds: Rounds::default(),
            lag: AtomicU64::new(0),
            served: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
        });
        tokio::spawn(watch::run(inner.clone(), servers, stop));
        Ok(Self(inner))
    }

    /// Closes connections that are not needed.
    pub fn tidy(&self, idle_time: Duration) {
        self.0.pool.tidy(idle_time);
    }

    /// To be called after a commit on the primary and before the caller hears of it.
    pub fn wrote(&self, scope: &Scope) {
        match &scope.tenant {
            Tenant::One(id) => self.0.rounds.note(*id),
            Tenant::Many(ids) => ids.iter().for_each(|id| self.0.rounds.note(*id)),
            // These scopes never read the replica; what they write on a workspace's behalf is seen with its lag.
            Tenant::None | Tenant::System => {}
        }
    }

    /// Runs a reading statement on the replica; `None` if the primary must be asked: the workspace's writes are not
    /// all replayed, or the replica is lost, before or during the read.
    pub async fn read(&self, scope: &Scope, step: &[Step]) -> Option<Result<Vec<Row>, DbError>> {
        let answer = if self.may_read(scope) {
            self.attempt(scope, step).await
        } else {
            None
        };
        let counted = if answer.is_some() {
            &self.0.served
        } else {
            &self.0.passed_on
        };
        counted.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn may_read(&self, scope: &Scope) -> bool {
        *self.0.usable.borrow()
            && match &scope.tenant {
                Tenant::One(id) => self.0.rounds.finished(*id),
                Tenant::Many(ids) => ids.iter().all(|id| self.0.rounds.finished(*id)),
                Tenant::None | Tenant::System => false,
            }
    }

    async fn attempt(&self, scope: &Scope, step: &[Step]) -> Option<Result<Vec<Row>, DbError>> {
        let mut usable = self.0.usable.subscribe();
        let read = async { super::read(self.0.pool.lease(scope).await?, scope, step).await };
        let result = tokio::select! {
            result = read => result,
            _ = usable.wait_for(|usable| !usable) => return None,
        };
        match result {
            // The server is gone, or its replay had to remove rows that this read needed.
            Err(DbError::Unavailable { .. } | DbError::Retry { .. }) => None,
            other => Some(other),
        }
    }

    pub fn pool_stats(&self) -> PoolStats {
        self.0.pool.stats()
    }

    pub fn stats(&self) -> ReplicaStats {
        ReplicaStats {
            usable: *self.0.usable.borrow(),
            lag_bytes: self.0.lag.load(Ordering::Relaxed),
            reads: self.0.served.load(Ordering::Relaxed),
            passed_on: self.0.passed_on.load(Ordering::Relaxed),
        }
    }

    pub fn close(&self) {
        self.0.pool.close();
    }
}

/// Which writes the replica has replayed, by rounds.
struct Rounds {
    /// The round under way.
    now: AtomicU64,
    /// The last finished one: what was written in it or before has been replayed.
    finished: AtomicU64,
    /// Whoever is not noted has written in this round at the latest.
    floor: AtomicU64,
    noted: DashMap<Uuid, u64>,
    news: Notify,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            now: AtomicU64::new(1),
            finished: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            noted: DashMap::new(),
            news: Notify::new(),
        }
    }
}

impl Rounds {
    fn note(&self, workspace: Uuid) {
        let round = self.now.load(Ordering::SeqCst);
        self.noted
            .entry(workspace)
            .and_modify(|noted| *noted = round.max(*noted))
            .or_insert(round);
        if self.noted.len() > NOTED {
            self.floor.fetch_max(round, Ordering::SeqCst);
            self.noted.retain(|_, noted| *noted > round);
        }
        self.news.notify_one();
    }

    fn finished(&self, workspace: Uuid) -> bool {
        let noted = self.noted.get(&workspace).map(|noted| *noted);
        let wrote = noted.unwrap_or_else(|| self.floor.load(Ordering::SeqCst));
        wrote <= self.finished.load(Ordering::SeqCst)
    }

    /// Begins the next round; returns the one that it ends. Writes of that one are in the primary's log by now.
    fn turn(&self) -> u64 {
        self.now.fetch_add(1, Ordering::SeqCst)
    }

    /// What was written in this round or before has been replayed.
    fn finish(&self, round: u64) {
        self.finished.store(round, Ordering::SeqCst);
        self.noted.retain(|_, noted| *noted > round);
    }
}
