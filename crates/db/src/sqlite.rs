//! SQLite: one writer thread that commits units in groups, and reader threads.

mod alarm;
mod bind;
mod reader;
mod statements;
mod writer;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::oneshot;

use crate::connection::Outcome;
use crate::signal::Signals;
use crate::{DbConfig, DbError, Observer, PoolStats, Row, Scope, Sql, SqliteConfig, Step, Value};
pub(crate) use bind::classify;

pub(super) type Reply<T> = oneshot::Sender<Result<T, DbError>>;

#[derive(Clone)]
pub(crate) struct Sqlite(Arc<Inner>);

struct Inner {
    writer: Sender<writer::Job>,
    readers: Sender<reader::Job>,
    closed: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
    size: usize,
    reply_timeout: Duration,
    observer: Arc<dyn Observer>,
}

impl Sqlite {
    pub async fn open(
        target: &SqliteConfig,
        config: &DbConfig,
        observer: Arc<dyn Observer>,
        signals: Arc<Signals>,
    ) -> Result<Self, DbError> {
        let (target, limits) = (target.clone(), config.clone());
        tokio::task::spawn_blocking(move || Self::start(&target, &limits, observer, &signals))
            .await
            .map_err(|e| DbError::unreachable("cannot open the file", e))?
    }

    fn start(
        target: &SqliteConfig,
        config: &DbConfig,
        observer: Arc<dyn Observer>,
        signals: &Arc<Signals>,
    ) -> Result<Self, DbError> {
        let (writer, jobs) = crossbeam_channel::bounded(target.queue);
        let mut connection = open(target, config)?;
        let alarm = alarm::Alarm::install(&mut connection)?;
        let limits = writer::Limits {
            group: target.group,
            unit: config.unit_timeout,
            statement: config.statement_timeout,
        };
        let heard = signals.clone();
        let mut threads = vec![spawn("db-writer", move || {
            writer::run(&connection, &alarm, &jobs, &limits, &heard)
        })?];
        let (readers, reads) = crossbeam_channel::bounded(target.queue);
        for _ in 0..target.readers.max(1) {
            let (mut connection, reads) = (open(target, config)?, reads.clone());
            let (alarm, limit) = (alarm::Alarm::install(&mut connection)?, config.statement_timeout);
            connection
                .pragma_update(None, "query_only", true)
                .map_err(|e| classify("db.open", e))?;
            threads.push(spawn("db-reader", move || {
                reader::run(&connection, &alarm, &reads, limit)
            })?);
        }
        Ok(Self(Arc::new(Inner {
            writer,
            readers,
            closed: AtomicBool::new(false),
            size: threads.len(),
            threads: Mutex::new(threads),
            reply_timeout: config.wait_timeout + config.unit_timeout + config.statement_timeout,
            observer,
        })))
    }

    fn submit<T>(&self, pool: &'static str, queue: &Sender<T>, job: T) -> Result<(), DbError> {
        let sent = if self.0.closed.load(Ordering::Acquire) {
            Err(DbError::unavailable("the database is closed"))
        } else {
            queue.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => DbError::unavailable("too many jobs are waiting"),
                TrySendError::Disconnected(_) => DbError::unavailable("the database is closed"),
            })
        };
        self.0.observer.waited(pool, Duration::ZERO, sent.is_ok());
        sent
    }

    /// Waits for the answer; `silence` is what it means if none comes.
    async fn answer<T>(
        &self,
        reply: oneshot::Receiver<Result<T, DbError>>,
        silence: DbError,
    ) -> Result<T, DbError> {
        match tokio::time::timeout(self.0.reply_timeout, reply).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(DbError::unavailable("the database is closed")),
            Err(_) => Err(silence),
        }
    }

    pub async fn read(
        &self,
        _scope: &Scope,
        sql: &'static Sql,
        args: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        let (reply, answer) = oneshot::channel();
        // Gone when the caller is: the reader then stops.
        let waiting = Arc::new(());
        let job = reader::Job {
            sql,
            args,
            caller: Arc::downgrade(&waiting),
            reply,
        };
        self.submit("read", &self.0.readers, job)?;
        let result = self.answer(answer, DbError::Timeout).await;
        drop(waiting);
        result
    }

    pub async fn run(&self, _scope: &Scope, batch: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        let (reply, answer) = oneshot::channel();
        self.submit(
            "write",
            &self.0.writer,
            writer::Job::Batch { steps: batch, reply },
        )?;
        // The writer may still be at it when the caller's patience ends.
        self.answer(answer, DbError::Unconfirmed).await
    }

    pub fn begin(&self, _scope: &Scope) -> SqliteTx {
        SqliteTx {
            db: self.clone(),
            commands: Mutex::new(None),
            over: AtomicBool::new(false),
        }
    }

    /// A thread with a queue is at work; whether one without is, nobody counts.
    pub fn stats(&self) -> Vec<PoolStats> {
        let one = |pool, size: usize, queued: usize| PoolStats {
            pool,
            size,
            active: queued.min(size),
            idle: size - queued.min(size),
            queued,
            ..PoolStats::default()
        };
        vec![
            one("write", 1, self.0.writer.len()),
            one("read", self.0.size - 1, self.0.readers.len()),
        ]
    }

    /// Lets what is queued finish, then ends the threads.
    pub async fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        let threads = std::mem::take(
            &mut *self
                .0
                .threads
                // farmgate: allow(blocking-lock) because the slot is this unit's own: nobody else takes its lock
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        let inner = self.0.clone();
        // A panic of a thread has been reported by the panic hook already.
        let _ = tokio::task::spawn_blocking(move || {
            let _ = inner.writer.send(writer::Job::Stop);
            for _ in 1..threads.len() {
                let (reply, _) = oneshot::channel();
                let _ = inner.readers.send(reader::Job {
                    sql: &reader::STOP,
                    args: Vec::new(),
                    caller: std::sync::Weak::new(),
                    reply,
                });
            }
            threads.into_iter().for_each(|thread| drop(thread.join()));
        })
        .await;
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DbError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|e| DbError::unreachable("cannot start a thread", e))
}

/// Opens the file as every connection of this process does.
pub(crate) fn open(target: &SqliteConfig, config: &DbConfig) -> Result<rusqlite::Connection, DbError> {
    let open = || {
        let connection = rusqlite::Connection::open(&target.path)?;
        connection.busy_timeout(config.wait_timeout)?;
        log_ahead(&connection, config.wait_timeout)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(connection)
    };
    open().map_err(|e| classify("db.open", e))
}

/// Turns write-ahead logging on, which a file keeps. To do so SQLite raises a lock that it holds, and who meets another
/// doing the same is refused at once, whatever the time-out: it waits for that one's lock then, and tries again.
fn log_ahead(connection: &rusqlite::Connection, patience: Duration) -> rusqlite::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let done = connection.pragma_update(None, "journal_mode", "wal");
        let busy =
            |error: &rusqlite::Error| error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
        if !done.as_ref().is_err_and(busy) || Instant::now() >= until {
            return done;
        }
        connection.execute_batch("begin immediate; rollback")?;
    }
}

/// A unit of work; it takes its place in the writer's queue with its first statement.
pub(crate) struct SqliteTx {
    db: Sqlite,
    /// Never held across an await. Dropping the sender rolls the unit back.
    ///
    /// The standard library's channel drops what is in it when the writer hangs up; another would keep a command
    /// that nobody reads, and its caller waiting.
    commands: Mutex<Option<SyncSender<writer::Command>>>,
    over: AtomicBool,
}

impl SqliteTx {
    fn commands(&self) -> Option<SyncSender<writer::Command>> {
        self.commands
            // farmgate: allow(blocking-lock) because the slot is this unit's own: nobody else takes its lock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// The way to the writer, opened if it is not yet.
    fn enter(&self) -> Result<SyncSender<writer::Command>, DbError> {
        let mut slot = self
            .commands
            // farmgate: allow(blocking-lock) because the slot is this unit's own: nobody else takes its lock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(commands) = &*slot {
            return Ok(commands.clone());
        }
        let (commands, received) = sync_channel(64);
        self.db.submit(
            "write",
            &self.db.0.writer,
            writer::Job::Unit { commands: received },
        )?;
        *slot = Some(commands.clone());
        Ok(commands)
    }

    pub async fn steps(&self, steps: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        if self.over.load(Ordering::Acquire) {
            return Err(DbError::UnitOver);
        }
        let (reply, answer) = oneshot::channel();
        // The writer hangs up when the unit's deadline has passed.
        self.enter()?
            .try_send(writer::Command::Steps { steps, reply })
            .map_err(|_| DbError::Timeout)?;
        let result = match self.db.answer(answer, DbError::Timeout).await {
            Err(DbError::Unavailable { .. }) => Err(DbError::Timeout),
            other => other,
        };
        if result.is_err() {
            self.over.store(true, Ordering::Release);
        }
        result
    }

    pub async fn commit(self) -> Result<(), DbError> {
        if self.over.load(Ordering::Acquire) {
            return Err(DbError::UnitOver);
        }
        let Some(commands) = self.commands() else {
            return Ok(());
        };
        let (reply, answer) = oneshot::channel();
        commands
            .try_send(writer::Command::Commit { reply })
            .map_err(|_| DbError::Timeout)?;
        let result = self.db.answer(answer, DbError::Unconfirmed).await;
        result.map_err(|error| match error {
            // The writer hung up on the unit before it read this: its deadline had passed.
            DbError::Unavailable { .. } => DbError::Timeout,
            other => other,
        })
    }

    pub async fn commit_with(self, steps: Vec<Step>) -> Result<Vec<Outcome>, DbError> {
        let outcomes = self.steps(steps).await?;
        self.commit().await?;
        Ok(outcomes)
    }

    pub async fn rollback(self) {
        // A unit that failed was rolled back before its caller heard of it.
        if self.over.load(Ordering::Acquire) {
            return;
        }
        let Some(commands) = self.commands() else { return };
        let (reply, answer) = oneshot::channel();
        if commands.try_send(writer::Command::Rollback { reply }).is_ok() {
            let _ = self.db.answer(answer, DbError::Timeout).await;
        }
    }
}
