//! The writer thread: drains its queue into one transaction, a savepoint for each unit, and answers after commit.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rusqlite::Connection;

use super::Reply;
use super::alarm::Alarm;
use super::bind::classify;
use super::statements::Statements;
use crate::connection::Outcome;
use crate::signal::Signals;
use crate::{DbError, Step};

pub(super) enum Job {
    /// A unit known in full.
    Batch {
        steps: Vec<Step>,
        reply: Reply<Vec<Outcome>>,
    },
    /// A unit whose statements arrive one by one; its time begins with its turn.
    Unit {
        commands: mpsc::Receiver<Command>,
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
    /// Longest time one statement may take.
    pub statement: Duration,
}

/// What the thread works with.
struct Writer<'c> {
    connection: &'c Connection,
    statements: Statements<'c>,
    alarm: &'c Alarm,
    limits: &'c Limits,
}

/// Tells a caller how the commit of its group went.
type Answer = Box<dyn FnOnce(Result<(), DbError>)>;

pub(super) fn run(
    connection: &Connection,
    alarm: &Alarm,
    jobs: &Receiver<Job>,
    limits: &Limits,
    signals: &Signals,
) {
    let mut writer = Writer {
        connection,
        statements: Statements::new(connection),
        alarm,
        limits,
    };
    while let Ok(job) = jobs.recv() {
        if !writer.group(job, jobs) {
            return;
        }
        for topic in writer.statements.wakes() {
            signals.wake(topic);
        }
    }
}

fn plain(connection: &Connection, text: &'static str) -> Result<(), DbError> {
    connection
        .execute_batch(text)
        .map_err(|e| classify("db.transaction", e))
}

fn undo(connection: &Connection) {
    // Fails only if the engine has rolled the whole transaction back already; `commit` below reports that.
    let _ = plain(connection, "rollback to unit; release unit");
}

impl Writer<'_> {
    /// Runs this job and those that wait behind it, and commits them together. False if the thread is to end.
    fn group(&mut self, first: Job, jobs: &Receiver<Job>) -> bool {
        if matches!(first, Job::Stop) {
            return false;
        }
        let begun = plain(self.connection, "begin immediate");
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
                (Job::Batch { steps, reply }, Ok(())) => answers.extend(self.batch(&steps, reply)),
                (Job::Unit { commands }, Err(error)) => refuse(&commands, error),
                (Job::Unit { commands }, Ok(())) => answers.extend(self.unit(&commands)),
            }
            taken += 1;
            // Nothing more may run outside of a transaction.
            if taken < self.limits.group && !self.connection.is_autocommit() {
                next = jobs.try_recv().ok();
            }
        }
        if begun.is_ok() {
            let result = self.commit();
            answers.into_iter().for_each(|answer| answer(result.clone()));
        }
        goes_on
    }

    /// Commits the group.
    ///
    /// A full disk, or a writing statement that met its deadline, makes the engine end the whole transaction. Its
    /// own caller has heard so; the others of the group may try again.
    fn commit(&self) -> Result<(), DbError> {
        if self.connection.is_autocommit() {
            return Err(DbError::retry("another unit's failure ended the transaction"));
        }
        let result = plain(self.connection, "commit");
        if result.is_err() && !self.connection.is_autocommit() {
            // Everybody hears the commit's error; if this fails too, the next `begin` says so.
            let _ = plain(self.connection, "rollback");
        }
        result
    }

    /// Runs the steps, none of them beyond the time.
    fn steps(&mut self, steps: &[Step], until: Option<Instant>) -> Result<Vec<Outcome>, DbError> {
        let run = |(sql, args): &Step| {
            let ends = Instant::now() + self.limits.statement;
            let _on = self.alarm.until(until.map_or(ends, |time| time.min(ends)));
            self.statements.run(sql, args)
        };
        steps.iter().map(run).collect()
    }

    fn batch(&mut self, work: &[Step], reply: Reply<Vec<Outcome>>) -> Option<Answer> {
        // The caller left before its turn: as if it had never asked.
        if reply.is_closed() {
            return None;
        }
        let result = plain(self.connection, "savepoint unit")
            .and_then(|()| self.steps(work, None))
            .and_then(|outcomes| {
                plain(self.connection, "release unit")?;
                Ok(outcomes)
            });
        match result {
            Ok(outcomes) => Some(Box::new(move |committed| {
                drop(reply.send(committed.map(|()| outcomes)))
            })),
            Err(error) => {
                undo(self.connection);
                Some(refusal(reply, error))
            }
        }
    }

    /// Serves a unit until it commits, rolls back, is dropped, fails or its time is over.
    fn unit(&mut self, commands: &mpsc::Receiver<Command>) -> Option<Answer> {
        let deadline = Instant::now() + self.limits.unit;
        if let Err(error) = plain(self.connection, "savepoint unit") {
            refuse(commands, &error);
            return None;
        }
        let left = || deadline.saturating_duration_since(Instant::now());
        // A dropped unit closes the channel, a slow one meets the deadline: both are rolled back below.
        while let Ok(command) = commands.recv_timeout(left()) {
            match command {
                Command::Steps { steps: work, reply } => match self.steps(&work, Some(deadline)) {
                    Ok(outcomes) => drop(reply.send(Ok(outcomes))),
                    Err(error) => {
                        undo(self.connection);
                        return Some(refusal(reply, error));
                    }
                },
                Command::Commit { reply } => match plain(self.connection, "release unit") {
                    Ok(()) => return Some(Box::new(move |committed| drop(reply.send(committed)))),
                    Err(error) => {
                        undo(self.connection);
                        return Some(refusal(reply, error));
                    }
                },
                // What it read, and decided by, may be another job's write: its caller goes on after the commit too.
                Command::Rollback { reply } => {
                    undo(self.connection);
                    return Some(Box::new(move |committed| drop(reply.send(committed))));
                }
            }
        }
        undo(self.connection);
        None
    }
}

/// An error is answered after the group's commit too: what it contradicts may be another job's, not yet committed write.
/// Told earlier, the caller would look for the row that was in its way and not find it; if that write is lost, there is
/// nothing to contradict.
fn refusal<T: 'static>(reply: Reply<T>, error: DbError) -> Answer {
    Box::new(move |committed| {
        let error = match committed {
            Err(lost) if error.constraint().is_some() => lost,
            _ => error,
        };
        drop(reply.send(Err(error)));
    })
}

/// Answers what a unit has asked so far with this error.
fn refuse(commands: &mpsc::Receiver<Command>, error: &DbError) {
    for command in commands.try_iter() {
        match command {
            Command::Steps { reply, .. } => drop(reply.send(Err(error.clone()))),
            Command::Commit { reply } | Command::Rollback { reply } => drop(reply.send(Err(error.clone()))),
        }
    }
}
