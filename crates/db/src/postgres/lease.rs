//! A borrowed connection that is never given back with a transaction open.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use deadpool::managed::Object;
use futures_util::future::{poll_fn, try_join_all};
use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::Statement;

use super::bulk::{self, Members};
use super::error::classify;
use super::pool::{Connection, Manager};
use crate::connection::Outcome;
use crate::{DbError, Engine, Row, Sql, Step, Value};

/// Longest time a cleaning `rollback` may take before the connection is thrown away.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(5);
/// A `rollback` that takes longer waits for a statement that still runs.
const PATIENCE: Duration = Duration::from_millis(50);

pub(super) struct Lease {
    /// Empty only while dropping.
    object: Option<Object<Manager>>,
    /// Something has been sent whose end is not confirmed: set before the first byte leaves.
    open: AtomicBool,
}

impl Lease {
    pub const fn new(object: Object<Manager>) -> Self {
        Self {
            object: Some(object),
            open: AtomicBool::new(false),
        }
    }

    fn connection(&self) -> Result<&Connection, DbError> {
        self.object.as_deref().ok_or(DbError::UnitOver)
    }

    /// Prepares what this connection has not prepared yet, outside of any pipeline. Each group of steps becomes one
    /// call if its statement has a form for many rows, else a call for each step.
    pub async fn prepare(&self, steps: &[Step], groups: Vec<Members>) -> Result<Vec<Call>, DbError> {
        self.learn(steps, &groups).await?;
        let mut calls = Vec::with_capacity(groups.len());
        for members in groups {
            let sql = steps[members[0]].0;
            let statement = self.statement(sql).await?;
            if members.len() > 1
                && let Some(many) = self.many(sql, &statement).await?
            {
                calls.push(Call {
                    statement: many,
                    members,
                    before: None,
                });
                continue;
            }
            calls.extend(members.into_iter().map(|index| Call {
                statement: statement.clone(),
                members: vec![index],
                before: None,
            }));
        }
        Ok(calls)
    }

    /// Prepares what this connection does not know yet in two round trips. One for each statement would hold up the
    /// first units of every new connection, and all that share a transaction with them.
    async fn learn(&self, steps: &[Step], groups: &[Members]) -> Result<(), DbError> {
        let connection = self.connection()?;
        let new = distinct(groups.iter().map(|members| steps[members[0]].0), |sql| {
            connection.cached(sql).is_none()
        });
        try_join_all(new.into_iter().map(|sql| self.statement(sql))).await?;
        let of_many = groups.iter().filter(|members| members.len() > 1);
        let new = distinct(of_many.map(|members| steps[members[0]].0), |sql| {
            connection.cached_bulk(sql).is_none()
        });
        let bulks = new.into_iter().map(|sql| async move {
            let single = self.statement(sql).await?;
            self.many(sql, &single).await
        });
        try_join_all(bulks).await.map(drop)
    }

    /// The statement's form for many rows, if it has one.
    async fn many(&self, sql: &'static Sql, single: &Statement) -> Result<Option<Statement>, DbError> {
        let connection = self.connection()?;
        if let Some(known) = connection.cached_bulk(sql) {
            return Ok(known);
        }
        let text = sql
            .expand(Engine::Postgres)
            .map_err(|reason| DbError::other(sql.name, reason))?;
        let statement = match bulk::text(&text, single.params()) {
            Some(text) => Some(
                connection
                    .client
                    .prepare(&text)
                    .await
                    .map_err(|e| classify(sql.name, e))?,
            ),
            None => None,
        };
        connection.remember_bulk(sql, statement.as_ref());
        Ok(statement)
    }

    async fn statement(&self, sql: &'static Sql) -> Result<Statement, DbError> {
        let connection = self.connection()?;
        if let Some(statement) = connection.cached(sql) {
            return Ok(statement);
        }
        let text = sql
            .expand(Engine::Postgres)
            .map_err(|reason| DbError::other(sql.name, reason))?;
        let statement = connection
            .client
            .prepare(&text)
            .await
            .map_err(|e| classify(sql.name, e))?;
        connection.remember(sql, &statement);
        Ok(statement)
    }

    /// Prepares and runs the steps as one transaction in one round trip.
    pub async fn pipeline(
        &mut self,
        begin: Option<&str>,
        steps: &[Step],
        groups: Vec<Members>,
        commit: bool,
    ) -> Result<Vec<Outcome>, DbError> {
        let calls = self.prepare(steps, groups).await?;
        self.carry_out(begin, steps, &calls, commit).await
    }

    /// Runs what is prepared as one transaction in one round trip.
    pub async fn carry_out(
        &mut self,
        begin: Option<&str>,
        steps: &[Step],
        calls: &[Call],
        commit: bool,
    ) -> Result<Vec<Outcome>, DbError> {
        let result = self.send(begin, steps, calls, commit).await;
        if result.is_ok() && commit {
            self.open.store(false, Ordering::Release);
        }
        result
    }

    /// Sends `begin`, the statements and `commit` in one go, then collects the answers in order.
    ///
    /// All of it leaves with the first poll: a caller dropped later cannot leave half of it unsent.
    pub async fn send(
        &self,
        begin: Option<&str>,
        steps: &[Step],
        calls: &[Call],
        commit: bool,
    ) -> Result<Vec<Outcome>, DbError> {
        let client = &self.connection()?.client;
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(calls.len() + 2);
        if let Some(text) = begin {
            parts.push(Part::new(plain(client, text)));
        }
        for call in calls {
            parts.extend(call.before.as_deref().map(|text| Part::new(plain(client, text))));
            parts.push(call.part(client, steps));
        }
        if commit {
            parts.push(Part::new(plain(client, "commit")));
        }
        self.open.store(true, Ordering::Release);
        let mut outcomes = in_order(parts).await?;
        if commit {
            outcomes.pop();
        }
        let outcomes = outcomes.into_iter().skip(usize::from(begin.is_some()));
        Ok(by_step(steps.len(), calls, outcomes))
    }

    /// Ends the transaction with this command.
    pub async fn end(&mut self, command: &'static str) -> Result<(), DbError> {
        plain(&self.connection()?.client, command).await?;
        self.open.store(false, Ordering::Release);
        Ok(())
    }
}

/// One call to the server: a statement with one step's arguments, or its form for many rows with those of many.
pub(super) struct Call {
    statement: Statement,
    /// The steps it carries out, by place.
    members: Members,
    /// What is sent before it.
    pub before: Option<String>,
}

impl Call {
    fn part<'a>(&'a self, client: &'a tokio_postgres::Client, steps: &'a [Step]) -> Part<'a> {
        let (sql, args) = &steps[self.members[0]];
        if self.members.len() == 1 {
            return Part::new(query(client, sql.name, &self.statement, args));
        }
        let rows = self.members.iter().map(|index| &*steps[*index].1).collect();
        Part::new(insert_many(client, sql.name, &self.statement, rows))
    }
}

/// Gives each step its own outcome; a row of a plain insert is one affected row.
fn by_step(steps: usize, calls: &[Call], mut outcomes: impl Iterator<Item = Outcome>) -> Vec<Outcome> {
    let mut all: Vec<Outcome> = std::iter::repeat_with(Outcome::default).take(steps).collect();
    for call in calls {
        let Some(outcome) = outcomes.nth(usize::from(call.before.is_some())) else {
            break;
        };
        match call.members[..] {
            [index] => all[index] = outcome,
            _ => call.members.iter().for_each(|index| all[*index].affected = 1),
        }
    }
    all
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if !self.open.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(object));
            return;
        };
        runtime.spawn(async move {
            if !cleaned(&object).await {
                drop(Object::take(object));
            }
        });
    }
}

/// Rolls back what a caller that left, or met its deadline, has begun. A statement that still runs is cancelled:
/// nobody waits for it any more. False if the connection cannot be used again.
async fn cleaned(connection: &Connection) -> bool {
    let client = &connection.client;
    let mut rollback = pin!(client.batch_execute("rollback"));
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut rollback).await {
        return done.is_ok();
    }
    let cancelled = async {
        // If the cancelling fails the rollback waits for the statement's own time-out, or for ours.
        let _ = client.cancel_token().cancel_query(connection.tls.clone()).await;
        rollback.await
    };
    matches!(tokio::time::timeout(CLEAN_TIMEOUT, cancelled).await, Ok(Ok(())))
}

/// Those that are wanted, each once.
fn distinct(
    statements: impl Iterator<Item = &'static Sql>,
    wanted: impl Fn(&'static Sql) -> bool,
) -> Vec<&'static Sql> {
    let mut found: Vec<_> = statements.filter(|sql| wanted(sql)).collect();
    found.sort_unstable_by_key(|sql| sql.key());
    found.dedup_by_key(|sql| sql.key());
    found
}

async fn plain(client: &tokio_postgres::Client, text: &str) -> Result<Outcome, DbError> {
    client
        .batch_execute(text)
        .await
        .map_err(|e| classify("db.transaction", e))?;
    Ok(Outcome::default())
}

async fn query(
    client: &tokio_postgres::Client,
    name: &'static str,
    statement: &Statement,
    args: &[Value],
) -> Result<Outcome, DbError> {
    if args.len() != statement.params().len() {
        let reason = format!("takes {} arguments, got {}", statement.params().len(), args.len());
        return Err(DbError::other(name, reason));
    }
    let stream = client
        .query_raw(statement, args)
        .await
        .map_err(|e| classify(name, e))?;
    pin_mut!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await.map_err(|e| classify(name, e))? {
        rows.push(Row::postgres(row));
    }
    Ok(Outcome {
        rows,
        affected: stream.rows_affected().unwrap_or(0),
    })
}

/// Inserts many rows; all of them or an error.
async fn insert_many(
    client: &tokio_postgres::Client,
    name: &'static str,
    statement: &Statement,
    rows: Vec<&[Value]>,
) -> Result<Outcome, DbError> {
    let width = statement.params().len();
    if rows.iter().any(|row| row.len() != width) {
        return Err(DbError::other(name, format!("takes {width} arguments")));
    }
    let columns: Vec<_> = (0..width)
        .map(|index| bulk::Column { rows: &rows, index })
        .collect();
    let stream = client
        .query_raw(statement, &columns)
        .await
        .map_err(|e| classify(name, e))?;
    pin_mut!(stream);
    while stream.try_next().await.map_err(|e| classify(name, e))?.is_some() {}
    if stream.rows_affected() == Some(rows.len() as u64) {
        return Ok(Outcome::default());
    }
    Err(DbError::other(name, "fewer rows were added than given"))
}

struct Part<'a> {
    work: Pin<Box<dyn Future<Output = Result<Outcome, DbError>> + Send + 'a>>,
    done: Option<Result<Outcome, DbError>>,
}

impl<'a> Part<'a> {
    fn new(work: impl Future<Output = Result<Outcome, DbError>> + Send + 'a) -> Self {
        Self {
            work: Box::pin(work),
            done: None,
        }
    }
}

/// Polls all parts in order, so that they are sent in order; answers with the first error by position.
///
/// A part that fails in the first pass may not have been sent, because it could not be encoded. Nothing after it is
/// sent either, least of all `commit`: the lease stays open and is rolled back. The parts before it are waited for:
/// on a busy machine an answer can arrive within the first pass, and then the cause is an earlier part's error.
async fn in_order(mut parts: Vec<Part<'_>>) -> Result<Vec<Outcome>, DbError> {
    let mut first_pass = true;
    poll_fn(|context| {
        let (mut pending, mut failed) = (false, None);
        for (index, part) in parts
            .iter_mut()
            .enumerate()
            .filter(|(_, part)| part.done.is_none())
        {
            match part.work.as_mut().poll(context) {
                Poll::Ready(result) => {
                    let stop = first_pass && result.is_err();
                    part.done = Some(result);
                    if stop {
                        failed = Some(index);
                        break;
                    }
                }
                Poll::Pending => pending = true,
            }
        }
        if let Some(index) = failed {
            parts.truncate(index + 1);
        }
        first_pass = false;
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    parts.into_iter().filter_map(|part| part.done).collect()
}
