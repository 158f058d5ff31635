//! What the edge is given: bounds and quotas, and the parts of the platform that it asks. Nothing is done here.

use std::{net::IpAddr, sync::Arc, time::Duration};

use domain::{
    identity::Cidr,
    ids::{Clock, IdSource},
};

use crate::{
    caller::Authenticator,
    csrf::Csrf,
    denials::DenialSink,
    fair::FairLimits,
    idempotency,
    isolation::Isolation,
    outgoing::OutgoingGuard,
    rate::{Quota, RateLimiter},
    request_log::RequestLog,
    spans::TraceSink,
};

/// What the edge needs to know; times and sizes with sensible defaults.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Time until the head of an answer.
    pub budget: Duration,
    /// Time for a body to arrive.
    pub body_time: Duration,
    /// Longest path and query, in bytes.
    pub max_uri: usize,
    /// Bounds of concurrent requests.
    pub fair: FairLimits,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Origins that browsers may call from.
    pub allowed_origins: Vec<String>,
    /// Quotas; `None` switches rate limits off.
    pub quotas: Option<Quotas>,
}

/// Requests allowed to each kind of caller.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Anonymous requests of one address.
    pub anonymous: Quota,
    /// Requests of one user.
    pub user: Quota,
    /// Requests of one API key that has no rate of its own.
    pub key: Quota,
    /// Requests of one workspace.
    pub workspace: Quota,
    /// Sign-in attempts of one address.
    pub login: Quota,
    /// Password resets and registrations of one address.
    pub reset: Quota,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            max_uri: 8 * 1024,
            fair: FairLimits::default(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            quotas: Some(Quotas::default()),
        }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            anonymous: Quota::per_minute(600),
            user: Quota::per_minute(6_000),
            key: Quota::per_minute(6_000),
            workspace: Quota::per_minute(60_000),
            login: Quota::per_minute(30),
            reset: Quota::per_minute(10),
        }
    }
}

/// What is passed in from outside.
pub struct Outside {
    /// What the time is.
    pub clock: Arc<dyn Clock>,
    /// Where ids and randomness come from.
    pub ids: Arc<dyn IdSource>,
    /// Who turns credentials into callers.
    pub authenticator: Arc<dyn Authenticator>,
    /// Makes and checks CSRF tokens.
    pub csrf: Csrf,
    /// Rate limits shared with other processes; without them each process counts alone.
    pub shared_limits: Option<Arc<dyn RateLimiter>>,
    /// Keeps idempotency keys; without it `Idempotency-Key` is refused.
    pub idempotency: Option<Arc<dyn idempotency::Store>>,
    /// Where the line of each request goes.
    pub log: Option<RequestLog>,
    /// Where the evidence is kept that requests are kept apart.
    pub isolation: Arc<Isolation>,
    /// Who hears what callers were refused.
    pub denials: Option<Arc<dyn DenialSink>>,
    /// Who looks at answers before they leave.
    pub guard: Option<Arc<dyn OutgoingGuard>>,
    /// Where traced requests go.
    pub traces: Option<Arc<dyn TraceSink>>,
}

impl Outside {
    /// What cannot be done without; the rest is absent.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        authenticator: Arc<dyn Authenticator>,
        csrf: Csrf,
    ) -> Self {
        Self {
            clock,
            ids,
            authenticator,
            csrf,
            shared_limits: None,
            idempotency: None,
            log: None,
            isolation: Arc::default(),
            denials: None,
            guard: None,
            traces: None,
        }
    }
}

/// Where a request came from, as the connection knows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether it speaks TLS.
    pub https: bool,
}
