//! The writer thread: drains its queue into one transaction, a savepoint for each unit, and answers after commit.

use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rusqlite::Connection;

use super::Reply;
use super::bind::classify;
use super::statements::Statements;
use crate::connection::Outcome;
use crate::{DbError, Step};

pub(super) enum Job {
    /// A unit known in full.
    Batch {
        steps: Vec<Step>,
        reply: Reply<Vec<Outcome>>,
    },
    /// A unit whose statements arrive one by one; its time begins with its turn.
    Unit {
        commands: Receiver<Command>,
    },
    Stop,
}

pub(super) enum Command {
    Steps {
        steps: Vec<Step>,
        reply: Reply<Vec<Outcome>>,
    },
    Commit {
        reply: Reply<()>,
    },
    Rollback {
        reply: Reply<()>,
    },
}

pub(super) struct Limits {
    /// Units committed together at most.
    pub group: usize,
    /// Longest time a unit may hold the writer.
    pub unit: Duration,
}

/// Tells a caller how the commit of its group went.
type Answer = Box<dyn FnOnce(Result<(), DbError>)>;

pub(super) fn run(connection: &Connection, jobs: &Receiver<Job>, limits: &Limits) {
    let mut statements = Statements::new(connection);
    while let Ok(job) = jobs.recv() {
        if !group(connection, &mut statements, job, jobs, limits) {
            return;
        }
    }
}

/// Runs this job and those that wait behind it, and commits them together. False if the thread is to end.
fn group(
    connection: &Connection,
    statements: &mut Statements<'_>,
    first: Job,
    jobs: &Receiver<Job>,
    limits: &Limits,
) -> bool {
    if matches!(first, Job::Stop) {
        return false;
    }
    let begun = plain(connection, "begin immediate");
    let mut answers: Vec<Answer> = Vec::new();
    let mut goes_on = true;
    let mut next = Some(first);
    let mut taken = 0;
    while let Some(job) = next.take() {
        match (job, &begun) {
            (Job::Stop, _) => {
                goes_on = false;
                break;
            }
            (Job::Batch { reply, .. }, Err(error)) => drop(reply.send(Err(error.clone()))),
            (Job::Batch { steps, reply }, Ok(())) => {
                answers.extend(batch(connection, statements, &steps, reply))
            }
            (Job::Unit { commands }, Err(error)) => refuse(&commands, error),
            (Job::Unit { commands }, Ok(())) => {
                answers.extend(unit(connection, statements, &commands, limits.unit));
            }
        }
        taken += 1;
        // A full disk makes the engine end the whole transaction: nothing more may run outside of one.
        if taken < limits.group && !connection.is_autocommit() {
            next = jobs.try_recv().ok();
        }
    }
    if begun.is_ok() {
        let result = plain(connection, "commit");
        if result.is_err() && !connection.is_autocommit() {
            // Everybody hears the commit's error; if this fails too, the next `begin` says so.
            let _ = plain(connection, "rollback");
        }
        answers.into_iter().for_each(|answer| answer(result.clone()));
    }
    goes_on
}

fn plain(connection: &Connection, text: &'static str) -> Result<(), DbError> {
    connection
        .execute_batch(text)
        .map_err(|e| classify("db.transaction", e))
}

fn undo(connection: &Connection) {
    // Fails only if the engine has rolled the whole transaction back already (disk full); `commit` reports that.
    let _ = plain(connection, "rollback to unit; release unit");
}

fn steps(statements: &mut Statements<'_>, steps: &[Step]) -> Result<Vec<Outcome>, DbError> {
    steps
        .iter()
        .map(|(sql, args)| statements.run(sql, args))
        .collect()
}

fn batch(
    connection: &Connection,
    statements: &mut Statements<'_>,
    work: &[Step],
    reply: Reply<Vec<Outcome>>,
) -> Option<Answer> {
    // The caller left before its turn: as if it had never asked.
    if reply.is_closed() {
        return None;
    }
    let result = plain(connection, "savepoint unit")
        .and_then(|()| steps(statements, work))
        .and_then(|outcomes| {
            plain(connection, "release unit")?;
            Ok(outcomes)
        });
    match result {
        Ok(outcomes) => Some(Box::new(move |committed| {
            drop(reply.send(committed.map(|()| outcomes)))
        })),
        Err(error) => {
            undo(connection);
            Some(refusal(reply, error))
        }
    }
}

/// An error is answered after the group's commit too: what it contradicts may be another job's, not yet committed write.
/// Told earlier, the caller would look for the row that was in its way and not find it.
fn refusal<T: 'static>(reply: Reply<T>, error: DbError) -> Answer {
    Box::new(move |committed| drop(reply.send(Err(committed.err().unwrap_or(error)))))
}

/// Serves a unit until it commits, rolls back, is dropped, fails or its time is over.
fn unit(
    connection: &Connection,
    statements: &mut Statements<'_>,
    commands: &Receiver<Command>,
    limit: Duration,
) -> Option<Answer> {
    let deadline = Instant::now() + limit;
    if let Err(error) = plain(connection, "savepoint unit") {
        refuse(commands, &error);
        return None;
    }
    // A dropped unit closes the channel, a slow one meets the deadline: both are rolled back below.
    while let Ok(command) = commands.recv_deadline(deadline) {
        match command {
            Command::Steps { steps: work, reply } => match steps(statements, &work) {
                Ok(outcomes) => drop(reply.send(Ok(outcomes))),
                Err(error) => {
                    undo(connection);
                    return Some(refusal(reply, error));
                }
            },
            Command::Commit { reply } => match plain(connection, "release unit") {
                Ok(()) => return Some(Box::new(move |committed| drop(reply.send(committed)))),
                Err(error) => {
                    undo(connection);
                    return Some(refusal(reply, error));
                }
            },
            // What it read, and decided by, may be another job's write: its caller goes on after the commit too.
            Command::Rollback { reply } => {
                undo(connection);
                return Some(Box::new(move |committed| drop(reply.send(committed))));
            }
        }
    }
    undo(connection);
    None
}

/// Answers what a unit has asked so far with this error.
fn refuse(commands: &Receiver<Command>, error: &DbError) {
    for command in commands.try_iter() {
        match command {
            Command::Steps { reply, .. } => drop(reply.send(Err(error.clone()))),
            Command::Commit { reply } | Command::Rollback { reply } => drop(reply.send(Err(error.clone()))),
        }
    }
}
