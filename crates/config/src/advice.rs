//! What works and should be known all the same: risky combinations, keys without effect, variables that nobody knows.
//! Said at the start and by `farmgate config check`.

use crate::{
    load::{Loaded, Origin},
    settings::{KEYS, Settings},
    value::{Environment, LogLevel, MailTls, SecretString},
};

type Risk = (bool, &'static str);

/// One sentence for each.
#[must_use]
pub fn advice(loaded: &Loaded) -> Vec<String> {
    let s = &loaded.settings;
    let risks = credentials(s).into_iter().chain(secrets(s)).chain(exposure(s));
    risks
        .chain(mail(s))
        .filter(|(present, _)| *present)
        .map(|(_, text)| text.to_owned())
        .chain(without_effect(loaded))
        .chain(strangers(loaded))
        .collect()
}

/// What puts passwords, cookies or keys at risk.
fn credentials(s: &Settings) -> Vec<Risk> {
    let serious = s.environment != Environment::Development;
    vec![
        (
            exposed(s) && s.tls_certificate.is_none() && s.trusted_proxies.is_empty(),
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
            serious && s.encryption_key.is_none() && !derived(s),
            "`identity.encryption_key` is not set: losing the data folder loses all encrypted data, and replicas cannot share it",
        ),
        (
            serious && !s.rate_limits,
            "`rate_limits.enabled` is off: nothing slows down who guesses passwords",
        ),
        (
            s.argon2_memory.get() < 19_456,
            "`identity.argon2_memory` is below 19456 KiB, the least that OWASP recommends",
        ),
    ]
}

/// Fewest bytes of a key for HMAC-SHA256: as many as the hash has.
const ENOUGH: usize = 32;

/// Secrets that are guessed, or that stand for others.
fn secrets(s: &Settings) -> Vec<Risk> {
    let short = |secret: &SecretString| secret.reveal().len() < ENOUGH;
    vec![
        (
            derived(s),
            "`identity.encryption_key` is not set: the key of all encrypted data follows from `identity.jwt_secret`, which must then never change",
        ),
        (
            s.jwt_secret.as_ref().is_some_and(short),
            "`identity.jwt_secret` has fewer than 32 bytes: who guesses it can sign tokens for every account (RFC 7518, 3.2)",
        ),
    ]
}

/// Whether the master key follows from the key of the tokens, as several processes need one without sharing a folder.
fn derived(s: &Settings) -> bool {
    let url = s.database_url.as_ref();
    let shared = url.is_some_and(|url| url.reveal().starts_with("postgres"));
    shared && s.encryption_key.is_none() && s.jwt_secret.is_some()
}

/// What keeps mail from its reader, or shows it to others.
fn mail(s: &Settings) -> Vec<Risk> {
    vec![
        (
            s.environment != Environment::Development && s.smtp_host.is_none(),
            "`mail.host` is not set: resets of passwords cannot be delivered, and end as failed rows of the outbox",
        ),
        (
            s.smtp_host.is_some() && s.smtp_tls == Some(MailTls::None),
            "`mail.tls` is none: mail that holds tokens for new passwords travels in the clear, as does the password of the mail server",
        ),
    ]
}

/// What shows or admits more than it should, or hides what operators need.
fn exposure(s: &Settings) -> Vec<Risk> {
    let everybody = |range: &domain::identity::Cidr| range.to_string().ends_with("/0");
    vec![
        (
            s.environment == Environment::Production && s.debug,
            "`server.debug` is on in production: the log shows more than operators need",
        ),
        (
            !s.debug && s.log_level >= LogLevel::Warn,
            "`log.level` hides the line of each request",
        ),
        (
            s.trusted_proxies.iter().any(everybody),
            "`http.trusted_proxies` believes everybody: any client can choose its address",
        ),
        (
            s.allowed_origins.iter().any(|origin| origin == "*"),
            "`http.allowed_origins` names `*`, which matches nothing: list the origins",
        ),
        (
            exposed(s) && s.prometheus && s.metrics_public,
            "`metrics.public` is on: anybody who reaches the public listener can read the metrics",
        ),
        (
            s.operator_port.is_some() && !s.operator_host.is_loopback(),
            "`operator.host` is beyond this machine: keep the operators' listener, which asks for no credential, on a private network",
        ),
    ]
}

fn exposed(s: &Settings) -> bool {
    !s.host.is_loopback()
}

/// Keys that are set though nothing reads them yet: nobody shall believe that they work.
fn without_effect(loaded: &Loaded) -> impl Iterator<Item = String> {
    let set = |name| loaded.origins.get(name) != Some(&Origin::Default);
    let keys = KEYS.iter().filter_map(move |key| Some((key, key.unused?)));
    let keys = keys.filter(move |(key, _)| set(key.name) && !(key.show)(&loaded.settings).is_empty());
    let features = loaded.settings.features.keys();
    keys.map(|(key, why)| format!("`{}` is set without effect: {why}", key.name))
        .chain(
            features.map(|name| {
                format!("`features.{name}` is set without effect: this build has no such feature")
            }),
        )
}

fn strangers(loaded: &Loaded) -> Option<String> {
    let names = loaded.strangers.join(", ");
    (!names.is_empty()).then(|| format!("no command knows these variables: {names}"))
}
