//! Calls that arrive together are worked on together.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{DbError, GiveWay};

type Work<J, R> = dyn Fn(Vec<J>) -> Pin<Box<dyn Future<Output = Vec<R>> + Send>> + Send + Sync;
type Batch<J, R> = Vec<(J, oneshot::Sender<R>)>;

/// Gathers calls: those that arrive while others are worked on make up the next batch.
///
/// A single call is worked on at once. Under load the batches grow by themselves, and what a batch costs once (a
/// round trip, a commit) is shared by all in it. A caller that leaves before its batch begins takes its job away;
/// one that leaves later disturbs nobody, and its job is done.
pub struct Gather<J, R> {
    inner: Arc<Inner<J, R>>,
}

impl<J, R> Clone for Gather<J, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

struct Inner<J, R> {
    max_in_flight: usize,
    max_batch: usize,
    work: Box<Work<J, R>>,
    give_way: GiveWay,
    /// Held for a few instructions, never across an await.
    state: Mutex<State<J, R>>,
}

struct State<J, R> {
    in_flight: usize,
    /// When the last batch began.
    begun: Option<Instant>,
    waiting: VecDeque<(J, oneshot::Sender<R>)>,
}

/// Jobs that may wait, as a multiple of the largest batch.
const WAITING_BATCHES: usize = 64;

impl<J, R> Gather<J, R>
where
    J: Send + 'static,
    R: Send + 'static,
{
    /// At most `max_in_flight` batches at a time, each of at most `max_batch` jobs. `work` answers a list of jobs
    /// with their results in the same order.
    pub fn new<F, W>(max_in_flight: usize, max_batch: usize, work: W) -> Self
    where
        F: Future<Output = Vec<R>> + Send + 'static,
        W: Fn(Vec<J>) -> F + Send + Sync + 'static,
    {
        Self::after_reads(GiveWay::never(), max_in_flight, max_batch, work)
    }

    /// The same, with batches that give way to reads.
    pub fn after_reads<F, W>(give_way: GiveWay, max_in_flight: usize, max_batch: usize, work: W) -> Self
    where
        F: Future<Output = Vec<R>> + Send + 'static,
        W: Fn(Vec<J>) -> F + Send + Sync + 'static,
    {
        Self {
            inner: Arc::new(Inner {
                max_in_flight: max_in_flight.max(1),
                max_batch: max_batch.max(1),
                work: Box::new(move |jobs| Box::pin(work(jobs))),
                give_way,
                state: Mutex::new(State {
                    in_flight: 0,
                    begun: None,
                    waiting: VecDeque::new(),
                }),
            }),
        }
    }

    /// Hands a job in and waits for its result.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] if too many jobs wait; nothing was done then. [`DbError::Unconfirmed`] if the batch
    /// ended without an answer for this job.
    pub async fn submit(&self, job: J) -> Result<R, DbError> {
        let (sender, receiver) = oneshot::channel();
        let start = {
            let mut state = self.inner.lock();
            if state.waiting.len() >= self.inner.max_batch * WAITING_BATCHES {
                return Err(DbError::unavailable("too many jobs are waiting"));
            }
            state.waiting.push_back((job, sender));
            let start = state.in_flight < self.inner.max_in_flight;
            state.in_flight += usize::from(start);
            start
        };
        if start {
            // A task of its own: the caller may leave, the others in the batch must not notice.
            tokio::spawn(self.inner.clone().drain());
        }
        receiver.await.map_err(|_| DbError::Unconfirmed)
    }
}

impl<J, R> Inner<J, R>
where
    J: Send + 'static,
    R: Send + 'static,
{
    fn lock(&self) -> std::sync::MutexGuard<'_, State<J, R>> {
        // farmgate: allow(blocking-lock) because held for a few instructions, never across an await
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on batch after batch until nobody waits.
    async fn drain(self: Arc<Self>) {
        let mut slot = Slot {
            inner: self,
            freed: false,
        };
        loop {
            slot.inner.give_way().await;
            let_others_in().await;
            let Some(batch) = slot.inner.take() else { break };
            let (jobs, callers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            if jobs.is_empty() {
                continue;
            }
            let results = (slot.inner.work)(jobs).await;
            for (caller, result) in callers.into_iter().zip(results) {
                // A caller that left meanwhile is no error.
                let _ = caller.send(result);
            }
        }
        slot.freed = true;
    }

    async fn give_way(&self) {
        let begun = self.lock().begun;
        if let Some(begun) = begun {
            self.give_way.after(begun).await;
        }
    }

    /// Takes the next batch, without the jobs whose callers left; frees the slot if nobody waits.
    fn take(&self) -> Option<Batch<J, R>> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.in_flight -= 1;
            return None;
        }
        let count = state.waiting.len().min(self.max_batch);
        let batch = state.waiting.drain(..count).collect::<Batch<J, R>>();
        state.begun = Some(Instant::now());
        drop(state);
        Some(
            batch
                .into_iter()
                .filter(|(_, caller)| !caller.is_closed())
                .collect(),
        )
    }
}

/// Lets the tasks that are ready run before a batch is closed: under load their requests join it, and when nothing else
/// is ready it costs a microsecond. No timer: nobody waits for requests that are not there.
pub(crate) async fn let_others_in() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}

/// Once for the tasks that are ready, once for those that the network wakes then.
const YIELDS: usize = 2;

/// Gives the slot back if `work` panics: otherwise later jobs would wait for a batch nobody works on.
struct Slot<J, R> {
    inner: Arc<Inner<J, R>>,
    freed: bool,
}

impl<J, R> Drop for Slot<J, R> {
    fn drop(&mut self) {
        if self.freed {
            return;
        }
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .in_flight -= 1;
    }
}
