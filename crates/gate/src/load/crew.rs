//! What the engine needs from those who send requests, so that one engine drives a single URL and whole journeys.

use std::time::Instant;

use crate::measure::{Sink, Tag};

/// One piece of work: which journey to run, when it was due, where its figures go.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// The instant from which latency counts. In the closed model this is the start.
    pub due: Instant,
    /// Index of the journey.
    pub journey: usize,
    /// Index of the phase the figures belong to.
    pub phase: u16,
    /// Where the figures go.
    pub sink: &'a Sink,
}

/// One virtual user: lives on one generator thread, does one turn at a time.
pub trait VirtualUser: 'static {
    /// Runs one journey and records its figures, whatever becomes of it; false if no connection could be opened.
    fn turn(&mut self, turn: Turn<'_>) -> impl Future<Output = bool>;
}

/// Makes virtual users; each generator thread has a clone.
pub trait Crew: Clone + Send + 'static {
    /// What it makes.
    type User: VirtualUser;

    /// Everything its users record figures under; samples name tags by index.
    fn tags(&self) -> Vec<Tag>;

    /// The request tag that a turn of this journey starts with; turns that never started are counted there.
    fn first_tag(&self, journey: usize) -> u16;

    /// Names of the scenarios that assert nothing: their answers are all right, whatever came.
    fn unasserted(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes user number `number`, counted from 0 over all threads.
    fn recruit(&self, number: usize) -> Self::User;
}
