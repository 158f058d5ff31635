//! How many reads wait for queries that they share, and writes that give way to them.
//!
//! When more is asked than the machine can do, somebody waits. A read is somebody who looks on; a batch of writes that
//! begins later is larger and costs less each. Without pressure nobody gives way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The reads that wait now. Clones count together.
#[derive(Clone, Debug)]
pub struct Pressure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reads: AtomicUsize,
    many: usize,
    fewer: Notify,
}

impl Pressure {
    /// Pressure that is felt from this many reads on.
    #[must_use]
    pub fn from(many: usize) -> Self {
        Self(Arc::new(Inner {
            reads: AtomicUsize::new(0),
            many,
            fewer: Notify::new(),
        }))
    }

    /// Pressure that nobody feels.
    #[must_use]
    pub fn none() -> Self {
        Self::from(usize::MAX)
    }

    /// Counts a read for as long as the value lives.
    pub(crate) fn read(&self) -> Reading<'_> {
        self.0.reads.fetch_add(1, Ordering::AcqRel);
        Reading(self)
    }

    /// Waits until few reads wait, or it is so late.
    async fn ease(&self, latest: Instant) {
        let fewer = async {
            loop {
                let fewer = self.0.fewer.notified();
                if self.0.reads.load(Ordering::Acquire) < self.0.many {
                    return;
                }
                fewer.await;
            }
        };
        // Late is as good as eased: the writes begin.
        let _ = timeout_at(latest, fewer).await;
    }
}

/// A read that is counted.
pub(crate) struct Reading<'a>(&'a Pressure);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let inner = &self.0.0;
        if inner.reads.fetch_sub(1, Ordering::AcqRel) == inner.many {
            inner.fewer.notify_waiters();
        }
    }
}

/// How batches of writes give way.
#[derive(Clone, Debug)]
pub struct GiveWay {
    /// To which reads.
    pub to: Pressure,
    /// How long after the batch before it a batch begins at the latest.
    pub longest: Duration,
}

impl GiveWay {
    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self {
            to: Pressure::none(),
            longest: Duration::ZERO,
        }
    }

    /// Waits for the turn of the batch after one that began then.
    pub(crate) async fn after(&self, begun: Instant) {
        self.to.ease(begun + self.longest).await;
    }
}
