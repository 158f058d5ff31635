//! Connections of one role, and the pool that lends them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, QueueMode, RecycleError, RecycleResult, Timeouts};
use deadpool::{Runtime, managed::PoolError};
use tokio_postgres::{Client, Statement};

use super::address::Address;
use super::error::classify;
use super::lease::Lease;
use super::quoted;
use super::tls::Connector;
use crate::meter::nanos;
use crate::{DbConfig, DbError, Observer, PoolStats, PostgresConfig, Scope, Sql};

#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    App,
    System,
    /// The application's role on the replica.
    Replica,
}

impl Role {
    const fn pool_name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::System => "system",
            Self::Replica => "replica",
        }
    }
}

/// A connection and the statements prepared on it.
pub(super) struct Connection {
    pub client: Client,
    /// For the connection that asks the server to cancel.
    pub tls: Connector,
    /// By the address of the statement. Never held across an await.
    statements: Mutex<HashMap<usize, Statement>>,
    /// Their forms for many rows; nothing for those that have none. Never held across an await.
    bulks: Mutex<HashMap<usize, Option<Statement>>>,
}

impl Connection {
    pub fn cached(&self, sql: &'static Sql) -> Option<Statement> {
        self.statements
            // farmgate: allow(blocking-lock) because held to look up a prepared statement of one connection, which one unit uses at a time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&sql.key())
            .cloned()
    }

    pub fn remember(&self, sql: &'static Sql, statement: &Statement) {
        self.statements
            // farmgate: allow(blocking-lock) because held to look up a prepared statement of one connection, which one unit uses at a time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql.key(), statement.clone());
    }

    /// The statement's form for many rows, if it is known whether there is one.
    pub fn cached_bulk(&self, sql: &'static Sql) -> Option<Option<Statement>> {
        self.bulks
            // farmgate: allow(blocking-lock) because held to look up a prepared statement of one connection, which one unit uses at a time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&sql.key())
            .cloned()
    }

    pub fn remember_bulk(&self, sql: &'static Sql, statement: Option<&Statement>) {
        self.bulks
            // farmgate: allow(blocking-lock) because held to look up a prepared statement of one connection, which one unit uses at a time
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(sql.key(), statement.cloned());
    }
}

pub(super) struct Manager {
    address: Address,
    setup: String,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DbError;

    async fn create(&self) -> Result<Connection, DbError> {
        let client = self.address.connect().await?;
        client
            .batch_execute(&self.setup)
            .await
            .map_err(|e| classify("db.setup", e))?;
        Ok(Connection {
            client,
            tls: self.address.tls().clone(),
            statements: Mutex::default(),
            bulks: Mutex::default(),
        })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<DbError> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

#[derive(Clone)]
pub(super) struct Pool {
    pool: managed::Pool<Manager>,
    name: &'static str,
    /// Connections kept open without work.
    idle: usize,
    waits: Arc<(AtomicU64, AtomicU64)>,
    born: Instant,
    /// When the queue last moved: somebody got a connection, or came while nobody waited. In nanoseconds since `born`.
    moved: Arc<AtomicU64>,
    observer: Arc<dyn Observer>,
}

/// If others have waited and nobody has got a connection for this long, the pool is stuck: who comes now is turned away at
/// once instead of joining a queue that does not move. Longer than a slow disk holds up all commits now and then.
const STUCK: Duration = Duration::from_millis(300);

/// Every statement is a point read, a keyset page or a write by key. The plan made once is the right one, and planning
/// a join with row guards anew costs more than running it. It is kept, so it must not depend on how full the tables were
/// when it was made, or on whether they were analyzed: rows are looked up by index, never by reading a whole table or
/// workspace, which is right for an almost empty one.
pub(crate) const PLANS: &str = "set plan_cache_mode = force_generic_plan; set random_page_cost = 1.1; set enable_seqscan = off; \
                     set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set enable_material = off; set jit = off";

impl Pool {
    pub fn new(
        role: Role,
        url: &str,
        target: &PostgresConfig,
        config: &DbConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, DbError> {
        let [app, system, replica] = target.idle;
        let (name, size, idle) = match role {
            Role::App => (&target.app_role, target.app_pool, app),
            Role::System => (&target.system_role, target.system_pool, system),
            Role::Replica => (&target.app_role, target.replica_pool, replica),
        };
        let setup = format!(
            "{PLANS}; set role {}; set statement_timeout = {}; set idle_in_transaction_session_timeout = {}; set timezone = 'UTC'",
            quoted(name),
            config.statement_timeout.as_millis(),
            config.unit_timeout.as_millis(),
        );
        let manager = Manager {
            address: Address::parse(target, url)?,
            setup,
        };
        let timeouts = Timeouts {
            wait: Some(config.wait_timeout),
            create: Some(target.connect_timeout),
            recycle: Some(config.wait_timeout),
        };
        let pool = managed::Pool::builder(manager)
            .max_size(size)
            // The one that was used last: those that are not needed can be told by their having no work.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map_err(|e| DbError::other("db.open", e))?;
        Ok(Self {
            pool,
            name: role.pool_name(),
            idle,
            waits: Arc::default(),
            born: Instant::now(),
            moved: Arc::default(),
            observer,
        })
    }

    pub async fn lease(&self, scope: &Scope) -> Result<Lease, DbError> {
        let status = self.pool.status();
        let must_wait = status.available == 0;
        if status.waiting == 0 {
            // A pool that nobody wanted for a while is not stuck when many come at once.
            self.note_move();
        } else if self.stuck() {
            self.observer.waited(self.name, Duration::ZERO, false);
            return Err(DbError::unavailable(
                "every connection is busy and none comes back",
            ));
        }
        let start = Instant::now();
        let got = self.pool.get().await;
        let took = start.elapsed();
        if got.is_ok() {
            self.note_move();
        }
        if must_wait {
            self.waits.0.fetch_add(1, Ordering::Relaxed);
            self.waits.1.fetch_add(nanos(took), Ordering::Relaxed);
        }
        scope.meter.add_wait(self.name, start, took, got.is_ok());
        self.observer.waited(self.name, took, got.is_ok());
        got.map(Lease::new).map_err(|error| match error {
            PoolError::Timeout(_) => DbError::unavailable("every connection is busy"),
            PoolError::Backend(error) => error,
            _ => DbError::unavailable("the pool is closed"),
        })
    }

    fn note_move(&self) {
        self.moved.store(nanos(self.born.elapsed()), Ordering::Relaxed);
    }

    fn stuck(&self) -> bool {
        let since = nanos(self.born.elapsed()).saturating_sub(self.moved.load(Ordering::Relaxed));
        since > nanos(STUCK)
    }

    pub fn stats(&self) -> PoolStats {
        let status = self.pool.status();
        PoolStats {
            pool: self.name,
            size: status.size,
            active: status.size - status.available.min(status.size),
            idle: status.available,
            waits: self.waits.0.load(Ordering::Relaxed),
            wait_time: Duration::from_nanos(self.waits.1.load(Ordering::Relaxed)),
            queued: status.waiting,
        }
    }

    /// Closes connections that had no work for that long, but for those that are to be kept; the longest idle first.
    pub fn tidy(&self, idle_time: Duration) {
        let mut excess = self.pool.status().available.saturating_sub(self.idle);
        let closed = self.pool.retain(|_, metrics| {
            let goes = excess > 0 && metrics.last_used() > idle_time;
            excess -= usize::from(goes);
            !goes
        });
        if !closed.removed.is_empty() {
            tracing::debug!(
                pool = self.name,
                count = closed.removed.len(),
                "closed idle connections"
            );
        }
    }

    pub fn close(&self) {
        self.pool.close();
    }
}
