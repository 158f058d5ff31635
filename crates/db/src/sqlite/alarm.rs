//! The time a statement may take: the engine asks while it runs.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use rusqlite::Connection;

use super::bind::classify;
use crate::DbError;
use crate::meter::nanos;

/// Steps of the engine's machine between two looks at the clock: well under a millisecond.
const STEPS: c_int = 10_000;
/// No statement runs, or it may take for ever.
const NEVER: u64 = u64::MAX;

/// Lives as long as somebody waits for an answer.
pub(super) type Caller = Weak<()>;

/// Interrupts a connection's statement when its time is over, or when nobody waits for it any more.
pub(super) struct Alarm(Arc<Shared>);

struct Shared {
    start: Instant,
    /// In nanoseconds since `start`.
    until: AtomicU64,
    caller: Mutex<Option<Caller>>,
}

impl Alarm {
    /// Puts an alarm on a connection. It is off.
    pub fn install(connection: &mut Connection) -> Result<Self, DbError> {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            until: AtomicU64::new(NEVER),
            caller: Mutex::default(),
        });
        let asked = shared.clone();
        connection
            .progress_handler(STEPS, Some(move || asked.interrupts()))
            .map_err(|e| classify("db.open", e))?;
        Ok(Self(shared))
    }

    /// Ends what runs from now on at this time. Dropping the guard turns the alarm off.
    pub fn until(&self, time: Instant) -> Guard<'_> {
        let time = nanos(time.saturating_duration_since(self.0.start));
        self.0.until.store(time, Ordering::Relaxed);
        Guard(self)
    }

    /// Ends what runs from now on at this time, or when the caller has left.
    pub fn until_or_left(&self, time: Instant, caller: Caller) -> Guard<'_> {
        *self.0.caller() = Some(caller);
        self.until(time)
    }
}

/// The alarm is on for as long as this lives.
pub(super) struct Guard<'a>(&'a Alarm);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.0.until.store(NEVER, Ordering::Relaxed);
        *self.0.0.caller() = None;
    }
}

impl Shared {
    fn caller(&self) -> std::sync::MutexGuard<'_, Option<Caller>> {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupts(&self) -> bool {
        let left = |caller: &Caller| caller.strong_count() == 0;
        nanos(self.start.elapsed()) >= self.until.load(Ordering::Relaxed)
            || self.caller().as_ref().is_some_and(left)
    }
}
