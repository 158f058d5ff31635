//! Rate limits by GCRA, in process: sharded, with a bound on the keys it remembers.
//!
//! The arithmetic is [`decide`]; a [`RateLimiter`] that several processes share uses the same.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::ids::Timestamp;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::policy::RateClass;

/// Who or what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// An address, for a class of requests. IPv6 by its /64.
    Address(RateClass, u128),
    /// A user.
    User(Uuid),
    /// An API key.
    Key(Uuid),
    /// A workspace.
    Workspace(Uuid),
    /// The calls that a workspace's tier allows to its programs.
    ApiCalls(Uuid),
}

/// So many requests in a window, spread evenly, with the whole as burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub requests: u32,
    /// The window.
    pub window: Duration,
}

impl Quota {
    /// So many requests a minute.
    #[must_use]
    pub const fn per_minute(requests: u32) -> Self {
        Self {
            requests,
            window: Duration::from_secs(60),
        }
    }
}

/// What the limit says about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may go on.
    pub allowed: bool,
    /// Requests left at this moment.
    pub remaining: u32,
    /// Until the whole quota is free again.
    pub reset: Duration,
    /// Until the next request is allowed; zero if it is now.
    pub retry_after: Duration,
}

/// GCRA: from the theoretical arrival time (`tat`, microseconds) to the decision and the next `tat`.
///
/// A `tat` more than the window ahead can only come from a clock that was set back since: it is forgotten, or the
/// caller would wait for as long as the clock jumped.
#[must_use]
pub fn decide(tat: i64, now: i64, quota: Quota) -> (Decision, i64) {
    let window = i64::try_from(quota.window.as_micros()).unwrap_or(i64::MAX);
    let interval = (window / i64::from(quota.requests.max(1))).max(1);
    let tat = if tat.saturating_sub(now) > window {
        now
    } else {
        tat
    };
    let next = tat.max(now).saturating_add(interval);
    let ahead = next.saturating_sub(now);
    let span = |micros: i64| Duration::from_micros(micros.max(0).unsigned_abs());
    if ahead > window {
        let reset = span(tat - now);
        let decision = Decision {
            allowed: false,
            remaining: 0,
            reset,
            retry_after: span(ahead - window),
        };
        return (decision, tat);
    }
    let remaining = u32::try_from((window - ahead) / interval).unwrap_or(u32::MAX);
    (
        Decision {
            allowed: true,
            remaining,
            reset: span(ahead),
            retry_after: Duration::ZERO,
        },
        next,
    )
}

/// Counts requests against quotas in a store that several processes share.
pub trait RateLimiter: Send + Sync + 'static {
    /// Counts one request against each of the quotas, in order. `None`: the store is away, count in this process.
    fn check<'a>(
        &'a self,
        asks: &'a [(RateKey, Quota)],
        now: Timestamp,
    ) -> BoxFuture<'a, Option<Vec<Decision>>>;
}

/// Counts requests against quotas in this process.
pub struct LocalLimiter {
    shards: Vec<Mutex<HashMap<RateKey, i64>>>,
    per_shard: usize,
    hasher: RandomState,
}

const SHARDS: usize = 64;

impl LocalLimiter {
    /// Remembers at most about `keys` keys.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect();
        Self {
            shards,
            per_shard: keys.div_ceil(SHARDS).max(1),
            hasher: RandomState::new(),
        }
    }

    /// Counts one request.
    ///
    /// When a shard is full of keys still in use, a new key is refused until one falls free: memory stays bounded,
    /// and a flood of addresses cannot wash out the count of another.
    pub fn check(&self, key: RateKey, quota: Quota, now: Timestamp) -> Decision {
        let shard = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        // farmgate: allow(blocking-lock) because held for one subtraction on one shard
        let mut known = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.micros();
        if known.len() >= self.per_shard && !known.contains_key(&key) {
            known.retain(|_, tat| *tat > now);
            if known.len() >= self.per_shard {
                let second = Duration::from_secs(1);
                return Decision {
                    allowed: false,
                    remaining: 0,
                    reset: second,
                    retry_after: second,
                };
            }
        }
        let tat = known.entry(key).or_insert(now);
        let (decision, next) = decide(*tat, now, quota);
        *tat = next;
        decision
    }

    /// Number of keys remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }
}
