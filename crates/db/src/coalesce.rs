//! Point reads that arrive together share a query.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::{DbError, Pressure};

type Answer<V> = Result<Option<Arc<V>>, DbError>;
type Loading<K, V> = Pin<Box<dyn Future<Output = Result<HashMap<K, V>, DbError>> + Send>>;

/// Coalesces point reads: requests that arrive while a query is in flight share the next one.
///
/// Linearizable: a key is only ever answered by a query that started after its request arrived, so a write that
/// was acknowledged before `get` was called is seen. The price under load is half a query's time of waiting; with
/// nothing in flight a request is sent at once. A caller that is dropped costs nothing and disturbs nobody.
pub struct Coalescer<K, V> {
    inner: Arc<Inner<K, V>>,
    pressure: Pressure,
}

impl<K, V> Clone for Coalescer<K, V> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            pressure: self.pressure.clone(),
        }
    }
}

struct Inner<K, V> {
    max_in_flight: usize,
    max_batch: usize,
    max_waiting: usize,
    load: Box<dyn Fn(Vec<K>) -> Loading<K, V> + Send + Sync>,
    /// Held for a few instructions, never across an await.
    state: Mutex<State<K, V>>,
}

struct State<K, V> {
    in_flight: usize,
    waiting: HashMap<K, Vec<oneshot::Sender<Answer<V>>>>,
    requests: usize,
}

impl<K, V> Coalescer<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// At most `max_in_flight` queries at a time, each for at most `max_batch` keys. `load` answers a list of
    /// distinct keys with those that exist. At most `max_batch * 64` requests wait.
    pub fn new<F, L>(max_in_flight: usize, max_batch: usize, load: L) -> Self
    where
        F: Future<Output = Result<HashMap<K, V>, DbError>> + Send + 'static,
        L: Fn(Vec<K>) -> F + Send + Sync + 'static,
    {
        let (max_in_flight, max_batch) = (max_in_flight.max(1), max_batch.max(1));
        Self {
            inner: Arc::new(Inner {
                max_in_flight,
                max_batch,
                max_waiting: max_batch.saturating_mul(64),
                load: Box::new(move |keys| Box::pin(load(keys))),
                state: Mutex::new(State {
                    in_flight: 0,
                    waiting: HashMap::new(),
                    requests: 0,
                }),
            }),
            pressure: Pressure::none(),
        }
    }

    /// The same, its requests counted among those that writes give way to.
    #[must_use]
    pub fn counted_in(mut self, pressure: &Pressure) -> Self {
        self.pressure = pressure.clone();
        self
    }

    /// Reads a key; `None` if it does not exist.
    ///
    /// # Errors
    /// The shared query's error, or [`DbError::Unavailable`] if too many requests wait.
    pub async fn get(&self, key: K) -> Answer<V> {
        let _waiting = self.pressure.read();
        let (sender, receiver) = oneshot::channel();
        let start = {
            let mut state = self.inner.lock();
            if state.requests >= self.inner.max_waiting {
                return Err(DbError::unavailable("too many reads are waiting"));
            }
            state.requests += 1;
            state.waiting.entry(key).or_default().push(sender);
            let start = state.in_flight < self.inner.max_in_flight;
            state.in_flight += usize::from(start);
            start
        };
        if start {
            // A task of its own: the caller may leave, the others in the batch must not notice.
            tokio::spawn(self.inner.clone().drain());
        }
        receiver
            .await
            .unwrap_or_else(|_| Err(DbError::unavailable("the read was given up")))
    }
}

type Batch<K, V> = HashMap<K, Vec<oneshot::Sender<Answer<V>>>>;

impl<K, V> Inner<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn lock(&self) -> std::sync::MutexGuard<'_, State<K, V>> {
        // farmgate: allow(blocking-lock) because held for a few instructions, never across an await
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads batch after batch until nobody waits.
    async fn drain(self: Arc<Self>) {
        let mut slot = Slot {
            inner: self,
            freed: false,
        };
        loop {
            crate::gather::let_others_in().await;
            let Some(batch) = slot.inner.take() else { break };
            if batch.is_empty() {
                continue;
            }
            let result = (slot.inner.load)(batch.keys().cloned().collect()).await;
            answer(batch, result);
        }
        slot.freed = true;
    }

    /// Takes the next batch, without the requests whose callers left; frees the slot if nobody waits.
    fn take(&self) -> Option<Batch<K, V>> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            state.in_flight -= 1;
            return None;
        }
        let mut batch = if state.waiting.len() <= self.max_batch {
            std::mem::take(&mut state.waiting)
        } else {
            let keys: Vec<K> = state.waiting.keys().take(self.max_batch).cloned().collect();
            keys.into_iter()
                .filter_map(|key| state.waiting.remove_entry(&key))
                .collect()
        };
        state.requests -= batch.values().map(Vec::len).sum::<usize>();
        drop(state);
        batch.retain(|_, callers| {
            callers.retain(|caller| !caller.is_closed());
            !callers.is_empty()
        });
        Some(batch)
    }
}

/// Gives the slot back if `load` panics: otherwise later requests would wait for a query nobody sends.
struct Slot<K, V> {
    inner: Arc<Inner<K, V>>,
    freed: bool,
}

impl<K, V> Drop for Slot<K, V> {
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

fn answer<K: Eq + Hash, V>(batch: Batch<K, V>, result: Result<HashMap<K, V>, DbError>) {
    match result {
        Ok(mut found) => {
            for (key, callers) in batch {
                let value = found.remove(&key).map(Arc::new);
                for caller in callers {
                    // A caller that left meanwhile is no error.
                    let _ = caller.send(Ok(value.clone()));
                }
            }
        }
        Err(error) => {
            for caller in batch.into_values().flatten() {
                let _ = caller.send(Err(error.clone()));
            }
        }
    }
}
