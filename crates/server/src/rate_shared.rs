//! Rate limits shared through Redis or Valkey: the arithmetic of [`crate::rate::decide`], done there in one step.
//!
//! When the store is away the edge counts in process, and a metric says so; this is not the place for that.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use domain::ids::Timestamp;
use futures_util::future::{BoxFuture, try_join_all};
use redis::{
    Client, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::rate::{Decision, Quota, RateKey, RateLimiter, decide};

/// Moves the theoretical arrival time if the request is allowed, and returns what it was. Lua keeps 53 bits of a
/// number, enough for microseconds; `%.0f` because its own way of writing large numbers drops digits.
const GCRA: &str = r"
local now, interval, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
local next = math.max(known, now) + interval
if next - now <= window then
  redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
end
return string.format('%.0f', known)
";

/// Longest wait for the store: a limit must not cost more than the request.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a store that failed is left alone, so that not every request waits for it.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts in Redis.
pub struct RedisLimiter {
    connection: ConnectionManager,
    script: Script,
    /// Until when the store is left alone, in microseconds of the epoch.
    paused_until: AtomicI64,
}

impl RedisLimiter {
    /// Connects when first asked, again whenever the connection was lost.
    ///
    /// # Errors
    /// If the address is not one of a Redis server.
    pub fn new(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(PATIENCE))
            .set_connection_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Self {
            connection,
            script: Script::new(GCRA),
            paused_until: AtomicI64::new(0),
        })
    }

    async fn one(&self, key: RateKey, quota: Quota, now: i64) -> RedisResult<Decision> {
        let window = i64::try_from(quota.window.as_micros()).unwrap_or(i64::MAX);
        let interval = (window / i64::from(quota.requests.max(1))).max(1);
        let mut connection = self.connection.clone();
        let mut call = self.script.key(name(key));
        call.arg(now).arg(interval).arg(window);
        let known: String = call.invoke_async(&mut connection).await?;
        Ok(decide(known.parse().unwrap_or(now), now, quota).0)
    }
}

/// The key's name in the store. The braces keep a customer's keys on one node of a cluster.
fn name(key: RateKey) -> String {
    let mut text = String::from("farmgate:rate:");
    let written = match key {
        RateKey::Address(class, bits) => write!(text, "address:{class:?}:{{{bits:x}}}"),
        RateKey::User(id) => write!(text, "user:{{{}}}", id.simple()),
        RateKey::Key(id) => write!(text, "key:{{{}}}", id.simple()),
        RateKey::Workspace(id) => write!(text, "workspace:{{{}}}", id.simple()),
        RateKey::ApiCalls(id) => write!(text, "api_calls:{{{}}}", id.simple()),
    };
    debug_assert!(written.is_ok(), "writing into a string cannot fail");
    text
}

impl RateLimiter for RedisLimiter {
    fn check<'a>(
        &'a self,
        asks: &'a [(RateKey, Quota)],
        now: Timestamp,
    ) -> BoxFuture<'a, Option<Vec<Decision>>> {
        let now = now.micros();
        Box::pin(async move {
            if now < self.paused_until.load(Ordering::Relaxed) {
                return None;
            }
            let calls = asks.iter().map(|(key, quota)| self.one(*key, *quota, now));
            match tokio::time::timeout(PATIENCE, try_join_all(calls)).await {
                Ok(Ok(decisions)) => return Some(decisions),
                Ok(Err(error)) => tracing::warn!(%error, "rate limits are counted in this process"),
                Err(_) => tracing::warn!("rate limits are counted in this process: the store is slow"),
            }
            let pause = i64::try_from(PAUSE.as_micros()).unwrap_or(i64::MAX);
            self.paused_until
                .store(now.saturating_add(pause), Ordering::Relaxed);
            None
        })
    }
}
