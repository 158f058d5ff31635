//! Where a generator thread writes its samples, and from which the collector takes them without stopping the thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Answer, Cell, Latency};
use crate::units::micros;

/// One finished request or journey.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Index of the phase it belongs to.
    pub phase: u16,
    /// Index of its tag.
    pub tag: u16,
    /// Time from when it was due to the end of its answer.
    pub latency: Duration,
    /// What became of it.
    pub answer: Answer,
    /// HTTP status, 0 if there was none.
    pub status: u16,
    /// Bytes of the answer.
    pub bytes: u64,
}

/// The samples of one generator thread since the collector last came.
#[derive(Debug, Default)]
pub struct Recorder {
    tags: usize,
    cells: Vec<Option<Box<Cell>>>,
    /// Delay between the instant a request was due and the generator attending to it.
    pub lag: Latency,
    /// What was wrong with the first answer that was not as asserted, one for each tag at most.
    pub examples: Vec<(u16, String)>,
}

impl Recorder {
    /// An empty recorder for this many phases and tags.
    pub fn new(phases: usize, tags: usize) -> Self {
        let cells = (0..phases * tags).map(|_| None).collect();
        Self {
            tags,
            cells,
            lag: Latency::default(),
            examples: Vec::new(),
        }
    }

    /// Counts one sample.
    pub fn record(&mut self, sample: &Sample) {
        let index = usize::from(sample.phase) * self.tags + usize::from(sample.tag);
        let cell = self.cells[index].get_or_insert_default();
        cell.record(sample.answer, sample.status, sample.bytes, micros(sample.latency));
    }

    /// The cells that hold something, with phase and tag.
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, &Cell)> {
        self.cells.iter().enumerate().filter_map(|(index, cell)| {
            let cell = cell.as_deref().filter(|cell| cell.tally.total() > 0)?;
            Some((index / self.tags, index % self.tags, cell))
        })
    }

    /// Forgets everything; memory of cells that were not used since the last time is given back.
    pub fn clear(&mut self) {
        for slot in &mut self.cells {
            match slot {
                Some(cell) if cell.tally.total() > 0 => cell.clear(),
                _ => *slot = None,
            }
        }
        self.lag.clear();
        self.examples.clear();
    }
}

/// The shared end of a [`Recorder`]: cheap to clone, written by one thread, emptied by the collector.
///
/// The lock is held for the time of one record or one pointer swap, and never across an await.
#[derive(Clone, Debug)]
pub struct Sink(Arc<Mutex<Recorder>>);

impl Sink {
    /// A sink into an empty recorder.
    pub fn new(phases: usize, tags: usize) -> Self {
        Self(Arc::new(Mutex::new(Recorder::new(phases, tags))))
    }

    /// Counts one sample.
    pub fn record(&self, sample: &Sample) {
        self.with(|recorder| recorder.record(sample));
    }

    /// Counts the generator's own delay for one request.
    pub fn lag(&self, lag: Duration) {
        self.with(|recorder| recorder.lag.record(micros(lag)));
    }

    /// Keeps what was wrong with an answer, if nothing of this tag is kept yet.
    pub fn example(&self, tag: u16, what: impl FnOnce() -> String) {
        self.with(|recorder| {
            if !recorder.examples.iter().any(|(known, _)| *known == tag) {
                recorder.examples.push((tag, what()));
            }
        });
    }

    /// Exchanges what was recorded for `spare`, which must be empty.
    pub fn swap(&self, spare: &mut Recorder) {
        self.with(|recorder| std::mem::swap(recorder, spare));
    }

    fn with<R>(&self, act: impl FnOnce(&mut Recorder) -> R) -> R {
        // farmgate: allow(blocking-lock) because each worker has a recorder of its own; the lock is shared only with the display, for one addition
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
