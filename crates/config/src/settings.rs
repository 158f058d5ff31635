//! The one table of keys: name in the file, name in the environment, kind, default, meaning.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use domain::{identity::Cidr, tier::Tier};

use crate::costs::Costs;
use crate::value::{Environment, LogFormat, LogLevel, MailTls, Ratio, SecretString, Setting};

/// A key's declaration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in `farmgate.toml`, section first: `http.port`.
    pub name: &'static str,
    /// Its name in the environment: `PORT`.
    pub env: &'static str,
    /// Its default, as text; empty for none.
    pub default: &'static str,
    /// What it does, with units.
    pub doc: &'static str,
    /// Why it has no effect in this build, if it has none: then who sets it is told.
    pub unused: Option<&'static str>,
    pub(crate) check: fn(&str) -> Result<(), String>,
    pub(crate) show: fn(&Settings) -> String,
}

macro_rules! optional {
    () => {
        None
    };
    ($text:literal) => {
        Some($text)
    };
}

macro_rules! settings {
    ($($field:ident: $kind:ty = $name:literal, $env:literal, $default:literal, $doc:literal $(, unused $why:literal)?;)+) => {
        /// Every setting, read and checked.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(#[doc = $doc] pub $field: $kind,)+
            /// Feature switches: `FEATURE_NAME=true`, or `name = true` in the section `features`.
            pub features: BTreeMap<String, bool>,
        }

        /// Every key, in the order of the manual.
        pub const KEYS: &[Key] = &[$(Key {
            name: $name,
            env: $env,
            default: $default,
            doc: $doc,
            unused: optional!($($why)?),
            check: |text| <$kind as Setting>::read(text).map(drop),
            show: |settings| settings.$field.show(),
        }),+];

        impl Settings {
            /// Reads every key from its text.
            pub(crate) fn read(text: impl Fn(&Key) -> String, features: BTreeMap<String, bool>) -> Result<Self, String> {
                let mut keys = KEYS.iter();
                let mut next = || keys.next().map(&text).unwrap_or_default();
                Ok(Self { $($field: <$kind as Setting>::read(&next()).map_err(|e| format!("{}: {e}", $name))?,)+ features })
            }
        }
    };
}

settings! {
    host: IpAddr = "http.host", "HOST", "127.0.0.1", "Address to listen on.";
    port: u16 = "http.port", "PORT", "8080", "Port to listen on; 0 chooses a free one.";
    tls_certificate: Option<PathBuf> = "http.tls_certificate", "TLS_CERTIFICATE", "", "PEM file with the certificate chain; with the key it turns TLS on.";
    tls_key: Option<PathBuf> = "http.tls_key", "TLS_KEY", "", "PEM file with the certificate's private key.";
    redirect_port: Option<u16> = "http.redirect_port", "HTTP_REDIRECT_PORT", "", "With TLS: port where plain HTTP is sent on to HTTPS; 0 chooses a free one.";
    public_url: Option<String> = "http.public_url", "PUBLIC_URL", "", "Where people reach the server, such as https://farm.example; mail names it. Needed with `mail.host`.";
    max_connections: NonZeroUsize = "http.max_connections", "MAX_CONNECTIONS", "10000", "Connections open at once; more are closed on arrival.";
    header_time: Duration = "http.header_time", "HEADER_TIME", "30s", "Time for a request's head, and how long an idle connection is kept.";
    body_time: Duration = "http.body_time", "BODY_TIME", "30s", "Time for a request's body to arrive.";
    request_time: Duration = "http.request_time", "REQUEST_TIME", "10s", "Time until the head of an answer; then 503.";
    unready_time: Duration = "http.unready_time", "UNREADY_TIME", "0s", "Time after a stop in which connections are still accepted while `/health/ready` already answers 503, so that load balancers notice.";
    drain_time: Duration = "http.drain_time", "DRAIN_TIME", "30s", "Time that running requests may take to end after a stop.";
    max_concurrent: NonZeroUsize = "http.max_concurrent", "MAX_CONCURRENT", "1024", "Requests served at once.";
    max_concurrent_per_caller: NonZeroUsize = "http.max_concurrent_per_caller", "MAX_CONCURRENT_PER_CALLER", "192", "Requests of one caller served at once.";
    trusted_proxies: Vec<Cidr> = "http.trusted_proxies", "TRUSTED_PROXIES", "", "Address ranges whose `X-Forwarded-For` is believed.";
    allowed_origins: Vec<String> = "http.allowed_origins", "CORS_ORIGINS", "", "Origins that browsers may call from.";
    operator_host: IpAddr = "operator.host", "OPERATOR_HOST", "127.0.0.1", "Address of the operators' listener.";
    operator_port: Option<u16> = "operator.port", "OPERATOR_PORT", "", "Port of the operators' listener (health, version, metrics), plain HTTP; 0 chooses a free one; absent: no such listener.";
    environment: Environment = "server.environment", "ENV", "development", "Where the server runs: development, staging or production; the more serious, the more is warned of at the start.";
    debug: bool = "server.debug", "DEBUG", "false", "Log at level debug, whatever `log.level` says.";
    data: PathBuf = "server.data", "FARMGATE_DATA", "farmgate-data", "Folder for the SQLite file, keys and backups.";
    admin_password: Option<SecretString> = "server.admin_password", "FARMGATE_ADMIN_PASSWORD", "", "Password of the first administrator; absent: a one-time set-up token is printed.";
    database_url: Option<SecretString> = "database.url", "DATABASE_URL", "", "`postgres://…` of the primary, or `sqlite:PATH`; absent: SQLite in the data folder. `?sslmode=` and `sslrootcert=` ask for TLS.";
    database_replica_url: Option<SecretString> = "database.replica_url", "DATABASE_REPLICA_URL", "", "`postgres://…` of a streaming replica for reads.";
    database_max_connections: NonZeroUsize = "database.max_connections", "DATABASE_MAX_CONNS", "20", "Connections to PostgreSQL; a quarter of them serve identity, workers and administration.";
    database_idle_connections: usize = "database.idle_connections", "DATABASE_IDLE_CONNS", "4", "Connections to PostgreSQL kept open without work, a quarter of them for identity, workers and administration; those beyond are closed after a minute. A replica has as many besides.";
    database_wait: Duration = "database.wait", "DATABASE_WAIT", "2s", "Longest wait for a connection.";
    slow_query: Duration = "database.slow_query", "SLOW_QUERY", "500ms", "Statements that take as long are logged.";
    redis_url: Option<SecretString> = "redis.url", "REDIS_URL", "", "`redis://…`, or `rediss://…` for TLS, for rate limits that all replicas share; absent: each process counts alone.";
    redis_ca: Option<PathBuf> = "redis.ca", "REDIS_CA", "", "PEM file with the certificates that Redis's is checked against; absent: those of Mozilla's list.";
    redis_db: u32 = "redis.db", "REDIS_DB", "0", "Number of the Redis database, unless the address names one.";
    cache_ttl: Duration = "cache.ttl", "CACHE_TTL", "10s", "Longest time that a cached value is used. Cached are a workspace's default visibility, which another process may change meanwhile, and its data key, which never changes.";
    jwt_secret: Option<SecretString> = "identity.jwt_secret", "JWT_SECRET", "", "Key that signs bearer tokens, 32 bytes or more; absent: made once and kept in the database.";
    encryption_key: Option<SecretString> = "identity.encryption_key", "ENCRYPTION_KEY", "", "32 bytes in base64 or hexadecimal that wrap the workspaces' keys; absent: made once in the data folder; with PostgreSQL it follows from `identity.jwt_secret` then, or the start is refused. The same for all replicas.";
    session_timeout: Duration = "identity.session_timeout", "SESSION_TIMEOUT", "30d", "Life of a session.";
    session_cookie_secure: Option<bool> = "identity.session_cookie_secure", "SESSION_COOKIE_SECURE", "", "Whether the cookie is sent over TLS only; absent: as TLS is on or off.";
    session_cookie_httponly: bool = "identity.session_cookie_httponly", "SESSION_COOKIE_HTTPONLY", "true", "Whether scripts are kept from the cookie.";
    token_life: Duration = "identity.token_life", "TOKEN_LIFE", "15m", "Life of a bearer token.";
    default_tier: Tier = "identity.default_tier", "FARMGATE_DEFAULT_TIER", "basic", "Tier of new workspaces.";
    argon2_memory: NonZeroU32 = "identity.argon2_memory", "ARGON2_MEMORY", "19456", "Memory per password hash, in KiB.";
    argon2_passes: NonZeroU32 = "identity.argon2_passes", "ARGON2_PASSES", "2", "Passes over that memory.";
    argon2_lanes: NonZeroU32 = "identity.argon2_lanes", "ARGON2_LANES", "1", "Lanes of a password hash.";
    hash_threads: Option<NonZeroUsize> = "identity.hash_threads", "HASH_THREADS", "", "Threads that hash passwords; absent: one per two cores.";
    hash_queue: usize = "identity.hash_queue", "HASH_QUEUE", "64", "Password hashes that may wait; the next caller gets 503.";
    cost_item_create: Costs = "credits.item_create", "CREDITS_ITEM_CREATE", "0", "Making a local item, in credits: a number for all tiers, or `basic=3, enterprise=1`, where a tier that is not named pays the number that stands alone, or nothing.";
    cost_push: Costs = "credits.push", "CREDITS_PUSH", "0", "Pushing an item into a circuit, in credits, as above.";
    cost_pull: Costs = "credits.pull", "CREDITS_PULL", "0", "Pulling an item from a circuit, in credits, as above.";
    cost_event_create: Costs = "credits.event_create", "CREDITS_EVENT_CREATE", "0", "Recording an event, in credits, as above.";
    cost_export: Costs = "credits.export", "CREDITS_EXPORT", "0", "An export of events, as a job or streamed, in credits, as above.";
    cost_adapter_upload: Costs = "credits.adapter_upload", "CREDITS_ADAPTER_UPLOAD", "0", "Keeping an evidence bundle with an adapter, in credits, as above.", unused "this build has no adapters";
    cost_receipt: Costs = "credits.receipt", "CREDITS_RECEIPT", "0", "A receipt for bytes of the caller's own, in credits, as above.", unused "this build gives no receipts";
    cost_proof: Costs = "credits.proof", "CREDITS_PROOF", "0", "Verifying and keeping a proof, in credits, as above.", unused "this build keeps no proofs";
    rate_limits: bool = "rate_limits.enabled", "FARMGATE_RATE_LIMITS", "true", "Whether requests are counted against limits; `off` is for measuring.";
    rate_anonymous: NonZeroU32 = "rate_limits.anonymous", "RATE_ANONYMOUS", "600", "Anonymous requests a minute of one address.";
    rate_user: NonZeroU32 = "rate_limits.user", "RATE_USER", "6000", "Requests a minute of one user.";
    rate_key: NonZeroU32 = "rate_limits.key", "RATE_KEY", "6000", "Requests a minute of one API key without a rate of its own.";
    rate_workspace: NonZeroU32 = "rate_limits.workspace", "RATE_WORKSPACE", "60000", "Requests a minute of one workspace.";
    rate_login: NonZeroU32 = "rate_limits.login", "RATE_LOGIN", "30", "Sign-in attempts a minute of one address.";
    rate_reset: NonZeroU32 = "rate_limits.reset", "RATE_RESET", "10", "Password resets and registrations a minute of one address.";
    log_level: LogLevel = "log.level", "LOG_LEVEL", "info", "What the log shows at least: trace, debug, info (a line for each request), warn, error (requests that failed) or off.";
    log_format: LogFormat = "log.format", "LOG_FORMAT", "text", "How log lines look: text or json.";
    prometheus: bool = "metrics.enabled", "PROMETHEUS_ENABLED", "true", "Whether metrics are served.";
    metrics_public: bool = "metrics.public", "METRICS_PUBLIC", "true", "Whether `/metrics` of the public listener is open to anybody; else platform administrators only.";
    otlp_endpoint: Option<String> = "tracing.otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "", "Where traces are sent by OTLP over HTTP, such as http://localhost:4318; absent: none are made.";
    jaeger: bool = "tracing.jaeger_enabled", "JAEGER_ENABLED", "false", "Whether traces are sent to `tracing.jaeger_endpoint`.";
    jaeger_endpoint: Option<String> = "tracing.jaeger_endpoint", "JAEGER_ENDPOINT", "", "Jaeger's address for OTLP over HTTP; `tracing.otlp_endpoint` goes before it.";
    trace_ratio: Ratio = "tracing.sample_ratio", "OTEL_TRACES_SAMPLER_ARG", "1", "Share of the requests that are traced, from 0 to 1, where the caller has not decided with its `traceparent`.";
    smtp_host: Option<String> = "mail.host", "SMTP_HOST", "", "Mail server; absent: no mail is sent, and resets of passwords end as failed rows of the outbox.";
    smtp_port: u16 = "mail.port", "SMTP_PORT", "587", "Its port.";
    smtp_tls: Option<MailTls> = "mail.tls", "SMTP_TLS", "", "`starttls`, which the server must offer; `implicit`, TLS from the first byte; `none`, in clear. Absent: implicit on port 465, else starttls.";
    smtp_ca: Option<PathBuf> = "mail.ca", "SMTP_CA", "", "PEM file with the certificates that the mail server's is checked against; absent: those of Mozilla's list.";
    smtp_user: Option<String> = "mail.user", "SMTP_USER", "", "Name to sign in with.";
    smtp_password: Option<SecretString> = "mail.password", "SMTP_PASSWORD", "", "Password to sign in with.";
    mail_from: Option<String> = "mail.from", "MAIL_FROM", "", "Sender of mail, such as `Farmgate <noreply@farm.example>`; needed with `mail.host`.";
    slack_webhook: Option<SecretString> = "notify.slack_webhook", "SLACK_WEBHOOK_URL", "", "Address that incidents are posted to.", unused "this build posts nothing to Slack";
    github_token: Option<SecretString> = "notify.github_token", "GITHUB_TOKEN", "", "Token for the releases' pull requests.", unused "this build makes no releases";
}
