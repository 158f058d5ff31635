//! A reader thread: takes single reads from the shared queue.

use crossbeam_channel::Receiver;
use rusqlite::Connection;

use super::Reply;
use super::statements::Statements;
use crate::{Row, Sql, Value};

pub(super) struct Job {
    pub sql: &'static Sql,
    pub args: Vec<Value>,
    pub reply: Reply<Vec<Row>>,
}

/// A job with this statement ends the thread that takes it.
pub(super) static STOP: Sql = Sql::new("db.stop", "");

pub(super) fn run(connection: &Connection, jobs: &Receiver<Job>) {
    let mut statements = Statements::new(connection);
    while let Ok(job) = jobs.recv() {
        if std::ptr::eq(job.sql, &raw const STOP) {
            return;
        }
        // Nobody waits for it any more.
        if job.reply.is_closed() {
            continue;
        }
        let _ = job
            .reply
            .send(statements.run(job.sql, &job.args).map(|outcome| outcome.rows));
    }
}
