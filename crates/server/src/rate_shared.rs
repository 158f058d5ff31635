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
    Client, RedisResult, Script, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::rate::{Decision, Quota, RateKey, RateLimiter, decide};

/// Moves the theoretical arrival time if the request is allowed, and returns what it was and the time. The time is the
/// store's own, so that a replica whose clock is wrong harms nobody; a value more than a window ahead is left from
/// before that clock was set back. Lua keeps 53 bits of a number, enough for microseconds; `%.0f` because its own way
/// of writing large numbers drops digits.
const GCRA: &str = r"
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = tonumber(redis.call('GET', KEYS[1]) or now)
if known - now > window then known = now end
local next = math.max(known, now) + interval
if next - now <= window then
  redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
end
return {string.format('%.0f', known), string.format('%.0f', now)}
";

/// Longest wait for the store: a limit must not cost more than the request.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// How long a store that failed is left alone, so that not every request waits for it.
const PAUSE_MICROS: i64 = 1_000_000;

/// Counts in Redis.
pub struct RedisLimiter {
    connection: ConnectionManager,
    script: Script,
    patience: Duration,
    /// Until when the store is left alone, in microseconds of the epoch; zero while it answers.
    paused_until: AtomicI64,
}

impl RedisLimiter {
    /// Connects when first asked, again whenever the connection was lost. No check takes longer than `patience`;
    /// [`PATIENCE`] suits a store in the same place.
    ///
    /// `rediss://` means TLS; the server's certificate is checked against the certificates of the PEM in `trusted`, or
    /// against Mozilla's list.
    ///
    /// # Errors
    /// If the address is not one of a Redis server, or one without TLS comes with trusted certificates.
    pub fn new(url: &str, trusted: Option<Vec<u8>>, patience: Duration) -> RedisResult<Self> {
        let client = match trusted {
            None => Client::open(url)?,
            trusted => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: trusted,
                };
                Client::build_with_tls(url, certificates)?
            }
        };
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(patience))
            .set_connection_timeout(Some(patience))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client, config)?;
        Ok(Self {
            connection,
            script: Script::new(GCRA),
            patience,
            paused_until: AtomicI64::new(0),
        })
    }

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn ping(&self) -> Result<(), String> {
        let mut connection = self.connection.clone();
        let answer: RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
        answer.map(drop).map_err(|error| error.to_string())
    }

    /// Whether to ask the store now. After a failure one request in each pause asks; the others do not wait for it.
    fn may_ask(&self, now: i64) -> bool {
        let until = self.paused_until.load(Ordering::Relaxed);
        // A pause that ends later than one from now begins was set before the clock was set back.
        let paused = now < until && until <= now.saturating_add(PAUSE_MICROS);
        let next = now.saturating_add(PAUSE_MICROS);
        let claim = || {
            self.paused_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        until == 0 || (!paused && claim().is_ok())
    }

    async fn one(&self, key: RateKey, quota: Quota) -> RedisResult<Decision> {
        let window = i64::try_from(quota.window.as_micros()).unwrap_or(i64::MAX);
        let interval = (window / i64::from(quota.requests.max(1))).max(1);
        let mut connection = self.connection.clone();
        let mut call = self.script.key(name(key));
        call.arg(interval).arg(window);
        let (known, now): (i64, i64) = call.invoke_async(&mut connection).await?;
        Ok(decide(known, now, quota).0)
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
            if !self.may_ask(now) {
                return None;
            }
            let calls = asks.iter().map(|(key, quota)| self.one(*key, *quota));
            match tokio::time::timeout(self.patience, try_join_all(calls)).await {
                Ok(Ok(decisions)) => {
                    if self.paused_until.swap(0, Ordering::Relaxed) != 0 {
                        tracing::info!("rate limits are shared again");
                    }
                    return Some(decisions);
                }
                Ok(Err(error)) => tracing::warn!(%error, "rate limits are counted in this process"),
                Err(_) => tracing::warn!("rate limits are counted in this process: the store is slow"),
            }
            let until = now.saturating_add(PAUSE_MICROS);
            self.paused_until.store(until, Ordering::Relaxed);
            None
        })
    }
}
