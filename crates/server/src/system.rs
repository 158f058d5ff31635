//! The real time and real randomness: the only place of the platform that asks for them.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::ids::{Clock, IdSource, Timestamp};
use rand::Rng as _;
use uuid::Uuid;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the clock that everybody else is given"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(since.as_micros().try_into().unwrap_or(i64::MAX))
    }
}

/// UUIDs of version 7 and random bytes from the thread's own ChaCha generator, which the operating system seeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn uuid(&self) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = SystemClock.now().millis().unsigned_abs();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "this is the source that everybody else is given"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }
}
