//! Figures of the whole deployment that only the database knows: read by a worker every few seconds, kept for gauges.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use db::Scope;
use store::{jobs, outbox};

use crate::{App, Result};

/// The states of jobs.
pub const JOB_STATES: [&str; 5] = ["waiting", "running", "completed", "failed", "cancelled"];
/// The states of work in the outbox.
pub const OUTBOX_STATES: [&str; 2] = ["waiting", "failed"];

/// The figures as they were last read.
#[derive(Default)]
pub(crate) struct Kept {
    jobs: [AtomicU64; JOB_STATES.len()],
    outbox: [AtomicU64; OUTBOX_STATES.len()],
    /// When the oldest waiting work was committed, in microseconds; 0 if none waits.
    oldest: AtomicI64,
}

/// Figures of the deployment.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Jobs by state.
    pub jobs: [(&'static str, u64); JOB_STATES.len()],
    /// Work in the outbox by state.
    pub outbox: [(&'static str, u64); OUTBOX_STATES.len()],
    /// Seconds since the oldest waiting work was committed.
    pub outbox_age_seconds: f64,
}

fn keep(kept: &[AtomicU64], states: &[&str], found: &[(String, u64)]) {
    for (counter, state) in kept.iter().zip(states) {
        let count = found.iter().find(|(name, _)| name == state);
        counter.store(count.map_or(0, |(_, count)| *count), Ordering::Relaxed);
    }
}

impl App {
    /// Reads the figures anew. A worker calls it every few seconds.
    ///
    /// # Errors
    /// If the database refuses; the figures stay as they were.
    pub async fn refresh_figures(&self) -> Result<()> {
        // Counts of every tenant together.
        let scope = Scope::system();
        let db = self.db().scoped(&scope);
        let (work, jobs) = (outbox::backlog(&db).await?, jobs::by_state(&db).await?);
        keep(&self.figures.jobs, &JOB_STATES, &jobs);
        let counts: Vec<_> = work.iter().map(|one| (one.state.clone(), one.count)).collect();
        keep(&self.figures.outbox, &OUTBOX_STATES, &counts);
        let waiting = work.iter().find(|one| one.state == OUTBOX_STATES[0]);
        let oldest = waiting.and_then(|one| one.oldest).map_or(0, |at| at.micros());
        self.figures.oldest.store(oldest, Ordering::Relaxed);
        Ok(())
    }

    /// The figures as they were last read.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let oldest = self.figures.oldest.load(Ordering::Relaxed);
        let age = match oldest {
            0 => std::time::Duration::ZERO,
            at => self.now().since(domain::ids::Timestamp::from_micros(at)),
        };
        Figures {
            jobs: std::array::from_fn(|index| (JOB_STATES[index], read(&self.figures.jobs[index]))),
            outbox: std::array::from_fn(|index| (OUTBOX_STATES[index], read(&self.figures.outbox[index]))),
            outbox_age_seconds: age.as_secs_f64(),
        }
    }
}
