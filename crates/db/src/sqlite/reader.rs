//! A reader thread: takes single reads from the shared queue.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rusqlite::Connection;

use super::Reply;
use super::alarm::{Alarm, Caller};
use super::statements::Statements;
use crate::{Row, Sql, Value};

pub(super) struct Job {
    pub sql: &'static Sql,
    pub args: Vec<Value>,
    pub caller: Caller,
    pub reply: Reply<Vec<Row>>,
}

/// A job with this statement ends the thread that takes it.
pub(super) static STOP: Sql = Sql::new("db.stop", "");

/// Answers reads, each within `limit`.
pub(super) fn run(connection: &Connection, alarm: &Alarm, jobs: &Receiver<Job>, limit: Duration) {
    let mut statements = Statements::new(connection);
    while let Ok(job) = jobs.recv() {
        if std::ptr::eq(job.sql, &raw const STOP) {
            return;
        }
        // Nobody waits for it any more.
        if job.reply.is_closed() {
            continue;
        }
        let ends = alarm.until_or_left(Instant::now() + limit, job.caller);
        let result = statements.run(job.sql, &job.args).map(|outcome| outcome.rows);
        drop(ends);
        let _ = job.reply.send(result);
    }
}
