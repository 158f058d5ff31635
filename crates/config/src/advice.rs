//! Settings that work but are risky together; said at the start and by `farmgate config check`.

use crate::{
    settings::Settings,
    value::{Environment, LogLevel},
};

type Risk = (bool, &'static str);

/// One sentence for each risk.
#[must_use]
pub fn advice(settings: &Settings) -> Vec<String> {
    let risks = credentials(settings).into_iter().chain(exposure(settings));
    risks
        .filter(|(present, _)| *present)
        .map(|(_, text)| text.to_owned())
        .collect()
}

/// What puts passwords, cookies or keys at risk.
fn credentials(s: &Settings) -> Vec<Risk> {
    let tls = s.tls_certificate.is_some() && s.tls_key.is_some();
    let exposed = !s.host.is_loopback();
    let serious = s.environment != Environment::Development;
    vec![
        (
            s.tls_certificate.is_some() != s.tls_key.is_some(),
            "only one of `http.tls_certificate` and `http.tls_key` is set: TLS stays off",
        ),
        (
            exposed && !tls && s.trusted_proxies.is_empty(),
            "the server listens beyond this machine without TLS and without a trusted proxy: passwords travel in the clear",
        ),
        (
            serious && s.session_cookie_secure == Some(false),
            "`identity.session_cookie_secure` is off: the session's cookie is sent over plain HTTP",
        ),
        (
            !s.session_cookie_httponly,
            "`identity.session_cookie_httponly` is off: scripts can read the session's cookie",
        ),
        (
            serious && s.encryption_key.is_none(),
            "`identity.encryption_key` is not set: losing the data folder loses all encrypted data, and replicas cannot share it",
        ),
        (
            serious && !s.rate_limits,
            "`rate_limits.enabled` is off: nothing slows down who guesses passwords",
        ),
    ]
}

/// What shows or admits more than it should, or hides what operators need.
fn exposure(s: &Settings) -> Vec<Risk> {
    let exposed = !s.host.is_loopback();
    vec![
        (
            s.environment == Environment::Production && s.debug,
            "`server.debug` is on in production: the log shows more than operators need",
        ),
        (
            s.log_level >= LogLevel::Warn,
            "`log.level` hides the line of each request",
        ),
        (
            s.trusted_proxies
                .iter()
                .any(|range| range.to_string().ends_with("/0")),
            "`http.trusted_proxies` believes everybody: any client can choose its address",
        ),
        (
            s.allowed_origins.iter().any(|origin| origin == "*"),
            "`http.allowed_origins` names `*`, which matches nothing: list the origins",
        ),
        (
            exposed && s.metrics_public,
            "`metrics.public` is on: anybody can read the metrics",
        ),
        (
            s.argon2_memory < 19_456,
            "`identity.argon2_memory` is below 19456 KiB, the least that OWASP recommends",
        ),
        (
            s.database_idle_connections > s.database_max_connections,
            "`database.idle_connections` exceeds `database.max_connections`",
        ),
    ]
}
