//! Concurrent requests: so many for one caller, so many in all, and a bounded wait for either.
//!
//! A caller takes its own slot before it may wait for a common one, so nobody stands in the common queue more often
//! than the own bound allows, and the queue is first come, first served. Slots leave with their last holder.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub struct FairLimits {
    /// Requests of one caller at once.
    pub per_caller: usize,
    /// Requests of all callers at once.
    pub total: usize,
    /// Requests that may wait; the next is refused at once.
    pub waiting: usize,
    /// Longest wait for a slot.
    pub wait: Duration,
}

impl Default for FairLimits {
    fn default() -> Self {
        Self {
            per_caller: 192,
            total: 1024,
            waiting: 1024,
            wait: Duration::from_millis(40),
        }
    }
}

/// No slot became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturated;

/// Gives out slots.
pub struct FairQueue {
    limits: FairLimits,
    total: Arc<Semaphore>,
    callers: DashMap<Uuid, Arc<Semaphore>>,
    waiting: AtomicUsize,
}

/// A slot; given back when dropped.
pub struct Slot {
    queue: Arc<FairQueue>,
    caller: Uuid,
    own: Option<OwnedSemaphorePermit>,
    _total: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.own.take());
        self.queue.forget_if_idle(self.caller);
    }
}

/// Counts a request as waiting for as long as it lives, also if its client leaves.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FairQueue {
    /// A queue with these bounds.
    #[must_use]
    pub fn new(limits: FairLimits) -> Arc<Self> {
        let total = Arc::new(Semaphore::new(limits.total));
        Arc::new(Self {
            limits,
            total,
            callers: DashMap::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Takes a slot for the caller.
    ///
    /// # Errors
    /// [`Saturated`] if the queue is full, or no slot became free within the wait.
    pub async fn enter(self: &Arc<Self>, caller: Uuid) -> Result<Slot, Saturated> {
        // One statement: the map's shard must be free again before anything waits or forgets.
        let own = Arc::clone(
            &*self
                .callers
                .entry(caller)
                .or_insert_with(|| Arc::new(Semaphore::new(self.limits.per_caller))),
        );
        let quick = Arc::clone(&own).try_acquire_owned().ok();
        let quick = quick.and_then(|own| Some((own, Arc::clone(&self.total).try_acquire_owned().ok()?)));
        let taken = match quick {
            Some(both) => Ok(both),
            None => self.wait(own).await,
        };
        match taken {
            Ok((own, total)) => Ok(Slot {
                queue: Arc::clone(self),
                caller,
                own: Some(own),
                _total: total,
            }),
            Err(saturated) => {
                self.forget_if_idle(caller);
                Err(saturated)
            }
        }
    }

    async fn wait(
        &self,
        own: Arc<Semaphore>,
    ) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Saturated> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.limits.waiting {
            return Err(Saturated);
        }
        let both = async {
            let own = own.acquire_owned().await.ok()?;
            Some((own, Arc::clone(&self.total).acquire_owned().await.ok()?))
        };
        tokio::time::timeout(self.limits.wait, both)
            .await
            .ok()
            .flatten()
            .ok_or(Saturated)
    }

    fn forget_if_idle(&self, caller: Uuid) {
        self.callers
            .remove_if(&caller, |_, slots| Arc::strong_count(slots) == 1);
    }

    /// Slots in use, callers that hold or await one, requests waiting.
    #[must_use]
    pub fn state(&self) -> (usize, usize, usize) {
        let used = self.limits.total.saturating_sub(self.total.available_permits());
        (used, self.callers.len(), self.waiting.load(Ordering::Relaxed))
    }
}
