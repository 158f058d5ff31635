//! The database as the rest of the program sees it: single statements, batches, and where units of work begin.
//!
//! What an engine does is a future on the heap, made in a function of this crate that is not generic: so it is compiled
//! once, here, and not in every crate that awaits it, and what awaits it stays small.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::observer::{Observer, PoolStats, ReplicaStats};
use crate::postgres::Postgres;
use crate::probe::Probe;
use crate::signal::{Listener, Signals};
use crate::sqlite::Sqlite;
use crate::unit::{Tx, Unit};
use crate::{DbConfig, DbError, Engine, Pressure, Read, Row, Scope, Sql, Step, Target, Value};

/// What a statement left behind.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub rows: Vec<Row>,
    pub affected: u64,
}

impl Outcome {
    /// Rows that the statement gave or changed.
    pub fn rows_touched(&self) -> usize {
        let affected = usize::try_from(self.affected).unwrap_or(usize::MAX);
        self.rows.len().max(affected)
    }
}

/// What an engine answers.
pub(crate) type Answer<'a, T> = BoxFuture<'a, Result<T, DbError>>;

#[derive(Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A database. Cheap to clone; all clones share the pools.
#[derive(Clone)]
pub struct Db {
    backend: Backend,
    observer: Arc<dyn Observer>,
    signals: Arc<Signals>,
    pressure: Pressure,
}

impl Db {
    /// Opens the database and checks that it answers.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if it cannot be reached, [`DbError::Other`] if the configuration makes no sense.
    pub async fn open(config: DbConfig, observer: Arc<dyn Observer>) -> Result<Self, DbError> {
        Self::opened(config, observer).await
    }

    fn opened(config: DbConfig, observer: Arc<dyn Observer>) -> Answer<'static, Self> {
        Box::pin(async move {
            let signals = Arc::new(Signals::default());
            let backend = match &config.target {
                Target::Sqlite(target) => {
                    Backend::Sqlite(Sqlite::open(target, &config, observer.clone(), signals.clone()).await?)
                }
                Target::Postgres(target) => {
                    Backend::Postgres(Postgres::open(target, &config, observer.clone()).await?)
                }
            };
            let pressure = match &backend {
                Backend::Sqlite(_) => Pressure::none(),
                Backend::Postgres(postgres) => postgres.pressure().clone(),
            };
            Ok(Self {
                backend,
                observer,
                signals,
                pressure,
            })
        })
    }

    /// The shared reads that wait, which batches of writes give way to. Felt on PostgreSQL only: SQLite's one writer
    /// makes its batches by itself.
    #[must_use]
    pub const fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// Hears what [`wake`](crate::wake) tells of a topic from now on. On PostgreSQL the first call opens a connection
    /// of its own for it.
    #[must_use]
    pub fn listen(&self, topic: &'static str) -> Listener {
        let listener = self.signals.listen(topic);
        if let Backend::Postgres(postgres) = &self.backend {
            postgres.listen(&self.signals);
        }
        listener
    }

    /// Which engine this is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Opens a unit of work. Dropped without [`Tx::commit`], it is rolled back and leaves no trace.
    ///
    /// The engine opens its transaction with the first statement; on SQLite the unit then holds the writer until
    /// it ends, so do nothing slow inside it.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if no connection comes free in time.
    pub async fn begin(&self, scope: &Scope) -> Result<Tx, DbError> {
        let unit = self.unit(scope).await?;
        Ok(Tx::new(unit, self.engine(), self.probe(scope)))
    }

    fn unit<'a>(&'a self, scope: &'a Scope) -> Answer<'a, Unit> {
        Box::pin(async move {
            Ok(match &self.backend {
                Backend::Sqlite(sqlite) => Unit::Sqlite(sqlite.begin(scope)),
                Backend::Postgres(postgres) => Unit::Postgres(Box::new(postgres.begin(scope).await?)),
            })
        })
    }

    /// Runs a unit of statements that do not need each other's results: all of them or none, durable when this
    /// returns. One round trip on PostgreSQL, one job on SQLite. Returns the affected rows of each.
    ///
    /// # Errors
    /// The error of the first statement that failed; nothing was changed then, unless it is
    /// [`DbError::Unconfirmed`].
    pub async fn run(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<u64>, DbError> {
        let outcomes = self.outcomes(scope, batch, false).await?;
        Ok(outcomes.into_iter().map(|o| o.affected).collect())
    }

    /// Like [`run`](Self::run), sharing the transaction with the units that other callers hand in at the same time,
    /// which makes each much cheaper. For frequent units that rarely fail: if one fails, all of its group are done
    /// again one by one. SQLite's writer groups all units anyway.
    ///
    /// # Errors
    /// As [`run`](Self::run), the unit's own error only.
    pub async fn run_grouped(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<u64>, DbError> {
        let outcomes = self.outcomes(scope, batch, true).await?;
        Ok(outcomes.into_iter().map(|o| o.affected).collect())
    }

    /// Like [`run`](Self::run), and returns the rows of each statement's `returning`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_returning(&self, scope: &Scope, batch: Vec<Step>) -> Result<Vec<Vec<Row>>, DbError> {
        let outcomes = self.outcomes(scope, batch, false).await?;
        Ok(outcomes.into_iter().map(|o| o.rows).collect())
    }

    fn outcomes<'a>(&'a self, scope: &'a Scope, batch: Vec<Step>, grouped: bool) -> Answer<'a, Vec<Outcome>> {
        Box::pin(async move {
            let Some((first, _)) = batch.first() else {
                return Ok(Vec::new());
            };
            let probe = self.probe(scope);
            let measured = probe.begin(first.name, batch.len());
            let result = match &self.backend {
                Backend::Sqlite(sqlite) => sqlite.run(scope, batch).await,
                Backend::Postgres(postgres) if grouped => postgres.run_grouped(scope, batch).await,
                Backend::Postgres(postgres) => postgres.run(scope, batch).await,
            };
            measured.outcomes(result)
        })
    }

    /// Runs one writing statement as a unit of its own. Returns the affected rows.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn execute(&self, scope: &Scope, sql: &'static Sql, args: Vec<Value>) -> Result<u64, DbError> {
        Ok(self
            .run(scope, vec![(sql, args)])
            .await?
            .into_iter()
            .next()
            .unwrap_or(0))
    }

    /// Runs one writing statement as a unit of its own and returns the rows of its `returning`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn returning(
        &self,
        scope: &Scope,
        sql: &'static Sql,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        Ok(self
            .run_returning(scope, vec![(sql, args)])
            .await?
            .into_iter()
            .next()
            .unwrap_or_default())
    }

    /// Single reads on behalf of this scope, each with a snapshot of its own, as a [`Read`].
    #[must_use]
    pub const fn scoped<'a>(&'a self, scope: &'a Scope) -> Scoped<'a> {
        Scoped {
            db: self,
            scope,
            replica: false,
        }
    }

    /// Single reads that may come from a replica. A workspace that wrote through this process reads the primary
    /// until the replica has replayed its writes; so does everybody if there is no replica, or if it is lost. What
    /// was written through another process may be missing for a moment: statistics, exports and reports bear that,
    /// a read that decides something does not.
    #[must_use]
    pub const fn scoped_replica<'a>(&'a self, scope: &'a Scope) -> Scoped<'a> {
        Scoped {
            db: self,
            scope,
            replica: true,
        }
    }

    /// Runs one reading statement. A write is refused: use [`execute`](Self::execute) or
    /// [`returning`](Self::returning).
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if nobody can carry it in time; otherwise what the statement did.
    pub async fn all(&self, scope: &Scope, sql: &'static Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        self.read(scope, sql, args, false).await
    }

    /// The first row of [`all`](Self::all), if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub async fn optional(
        &self,
        scope: &Scope,
        sql: &'static Sql,
        args: Vec<Value>,
    ) -> Result<Option<Row>, DbError> {
        self.scoped(scope).optional(sql, args).await
    }

    /// The first row of [`all`](Self::all).
    ///
    /// # Errors
    /// As [`all`](Self::all), and [`DbError::NotFound`] if there is none.
    pub async fn one(&self, scope: &Scope, sql: &'static Sql, args: Vec<Value>) -> Result<Row, DbError> {
        self.scoped(scope).one(sql, args).await
    }

    fn read<'a>(
        &'a self,
        scope: &'a Scope,
        sql: &'static Sql,
        args: Vec<Value>,
        replica: bool,
    ) -> Answer<'a, Vec<Row>> {
        Box::pin(async move {
            let probe = self.probe(scope);
            let measured = probe.begin(sql.name, 1);
            let result = match &self.backend {
                Backend::Sqlite(sqlite) => sqlite.read(scope, sql, args).await,
                Backend::Postgres(postgres) => postgres.read(scope, sql, args, replica).await,
            };
            measured.rows(result)
        })
    }

    /// A snapshot of each pool.
    #[must_use]
    pub fn stats(&self) -> Vec<PoolStats> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.stats(),
            Backend::Postgres(postgres) => postgres.stats(),
        }
    }

    /// How the replica is doing, if there is one.
    #[must_use]
    pub fn replica_stats(&self) -> Option<ReplicaStats> {
        match &self.backend {
            Backend::Sqlite(_) => None,
            Backend::Postgres(postgres) => postgres.replica_stats(),
        }
    }

    /// Checks that the primary answers.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if it does not, within the wait time-out.
    pub async fn ping(&self) -> Result<(), DbError> {
        static PING: Sql = Sql::new("db.ping", "select 1");
        self.all(&Scope::global(), &PING, Vec::new()).await.map(drop)
    }

    /// Ends the pools: what is under way is finished, what comes later is [`DbError::Unavailable`].
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close(),
        }
    }

    fn probe(&self, scope: &Scope) -> Probe {
        Probe::new(scope.meter.clone(), self.observer.clone())
    }
}

/// Single reads on behalf of a scope.
#[derive(Clone, Copy)]
pub struct Scoped<'a> {
    db: &'a Db,
    scope: &'a Scope,
    replica: bool,
}

impl Read for Scoped<'_> {
    async fn all(&self, sql: &'static Sql, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        self.db.read(self.scope, sql, args, self.replica).await
    }
}
