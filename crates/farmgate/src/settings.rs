//! What the settings mean to each part of the platform. Nothing is opened here but files with keys.

use std::{num::NonZero, path::Path, sync::Arc};

use anyhow::{Context, Result, anyhow, bail};
use app::identity::{ADMIN, IdentityConfig, PasswordConfig, Secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use config::{LogLevel, MailTls, SecretString, Settings};
use db::{DbConfig, Target};
use domain::{
    credits::{CostTable, CostedOperation},
    identity::{Username, check_password},
    ids::IdSource,
};
use server::{
    edge::{EdgeConfig, Quotas},
    fair::FairLimits,
    listen::ListenConfig,
    platform::CookieRules,
    rate::Quota,
    rate_shared::{PATIENCE, RedisLimiter},
    request_log::Format,
    served::MetricsAccess,
    system::{SystemClock, SystemIds},
    tls::Certificates,
};
use sha2::{Digest, Sha256};
use url::Url;
use workers::mail::{self, MailConfig, Mailer, Security};

/// Where the database is, and how much of it may be used.
pub fn database(settings: &Settings) -> Result<DbConfig> {
    let url = settings.database_url.as_ref().map(SecretString::reveal);
    let mut config = match url {
        None => DbConfig::sqlite(settings.data.join("farmgate.db")),
        Some(url) if is_postgres(url) => DbConfig::postgres(url),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => DbConfig::sqlite(path.trim_start_matches("//")),
            _ => bail!(
                "`database.url` (DATABASE_URL) must begin with postgres:// or sqlite: (leave it away for SQLite in the data folder)"
            ),
        },
    };
    config.wait_timeout = settings.database_wait;
    if let Target::Postgres(target) = &mut config.target {
        let most = settings.database_max_connections.get();
        target.system_pool = (most / 4).max(2);
        target.app_pool = most.saturating_sub(target.system_pool).max(2);
        let idle = settings.database_idle_connections;
        let system = idle.div_ceil(4);
        target.idle = [idle - system, system, idle];
        let replica = settings.database_replica_url.as_ref();
        target.replica_url = replica.map(|url| url.reveal().to_owned());
    } else if settings.database_replica_url.is_some() {
        bail!("`database.replica_url` needs PostgreSQL in `database.url`");
    }
    Ok(config)
}

fn is_postgres(url: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// Makes the data folder, which holds the embedded database and the keys of the first start.
pub fn make_data_folder(settings: &Settings) -> Result<()> {
    let folder = &settings.data;
    // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))
}

/// How identity works, under this key.
pub fn identity(settings: &Settings, master_key: [u8; 32]) -> IdentityConfig {
    let default = PasswordConfig::default();
    let mut config = IdentityConfig::new(master_key);
    config.default_tier = settings.default_tier;
    config.token_key = settings.jwt_secret.as_ref().map(secret);
    config.token_life = settings.token_life;
    config.session_life = settings.session_timeout;
    config.costs = costs(settings);
    config.passwords = PasswordConfig {
        memory_kib: settings.argon2_memory.get(),
        passes: settings.argon2_passes.get(),
        lanes: settings.argon2_lanes.get(),
        threads: settings.hash_threads.map_or(default.threads, NonZero::get),
        queue: settings.hash_queue,
    };
    config
}

/// What each operation costs.
fn costs(settings: &Settings) -> CostTable {
    let mut table = CostTable::default();
    for operation in CostedOperation::ALL {
        let costs = match operation {
            CostedOperation::ItemCreate => &settings.cost_item_create,
            CostedOperation::Push => &settings.cost_push,
            CostedOperation::Pull => &settings.cost_pull,
            CostedOperation::EventCreate => &settings.cost_event_create,
            CostedOperation::AdapterUpload => &settings.cost_adapter_upload,
            CostedOperation::Receipt => &settings.cost_receipt,
            CostedOperation::Proof => &settings.cost_proof,
            CostedOperation::Export => &settings.cost_export,
        };
        for (tier, credits) in costs.by_tier() {
            table.set(*operation, tier, credits);
        }
    }
    table
}

/// A secret for the use cases.
pub fn secret(text: &SecretString) -> Secret {
    Secret::new(text.reveal().to_owned())
}

/// Whether the first administrator may have this password.
fn admin_password(settings: &Settings) -> Result<()> {
    let Some(password) = &settings.admin_password else {
        return Ok(());
    };
    let name = Username::new(ADMIN).map_err(|broken| anyhow!(broken.message))?;
    match check_password(password.reveal(), &name, None) {
        None => Ok(()),
        Some(broken) => bail!(
            "`server.admin_password` (FARMGATE_ADMIN_PASSWORD) {}",
            broken.message
        ),
    }
}

/// The key that wraps the workspaces' keys, as far as it follows from the settings alone. `None`: it is kept in the
/// data folder.
pub fn given_master_key(settings: &Settings) -> Result<Option<[u8; 32]>> {
    if let Some(text) = &settings.encryption_key {
        let key = decode_key(text.reveal().trim());
        return key.map(Some).context(
            "`identity.encryption_key` (ENCRYPTION_KEY) must be 32 bytes: 64 hexadecimal digits (`openssl rand -hex 32`) or base64",
        );
    }
    let shared = settings
        .database_url
        .as_ref()
        .is_some_and(|url| is_postgres(url.reveal()));
    if !shared {
        return Ok(None);
    }
    // Replicas must agree on it, and the folder is not shared.
    let Some(secret) = &settings.jwt_secret else {
        bail!(
            "with PostgreSQL, set ENCRYPTION_KEY (64 hexadecimal digits; `openssl rand -hex 32` makes one)"
        );
    };
    Ok(Some(
        Sha256::digest(format!("farmgate/master-key/v1\0{}", secret.reveal())).into(),
    ))
}

fn decode_key(text: &str) -> Option<[u8; 32]> {
    let bytes = hex::decode(text).ok().or_else(|| STANDARD.decode(text).ok())?;
    bytes.try_into().ok()
}

/// The key that wraps the workspaces' keys: given, or made at the first start.
pub fn master_key(settings: &Settings) -> Result<[u8; 32]> {
    match given_master_key(settings)? {
        Some(key) => Ok(key),
        None => stored_key(&settings.data.join("master.key")),
    }
}

/// The key in a file that only its owner may read; made when absent.
fn stored_key(path: &Path) -> Result<[u8; 32]> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut key = [0; 32];
    // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
    match std::fs::read_to_string(path) {
        Ok(text) => {
            hex::decode_to_slice(text.trim(), &mut key)
                .with_context(|| format!("{} does not hold 64 hexadecimal digits", path.display()))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            SystemIds.fill(&mut key);
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            std::io::Write::write_all(&mut file, hex::encode(key).as_bytes())?;
            file.sync_all()?;
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    Ok(key)
}

/// The edge's bounds.
pub fn edge(settings: &Settings) -> EdgeConfig {
    let total = settings.max_concurrent.get();
    let quotas = Quotas {
        anonymous: Quota::per_minute(settings.rate_anonymous.get()),
        user: Quota::per_minute(settings.rate_user.get()),
        key: Quota::per_minute(settings.rate_key.get()),
        workspace: Quota::per_minute(settings.rate_workspace.get()),
        login: Quota::per_minute(settings.rate_login.get()),
        reset: Quota::per_minute(settings.rate_reset.get()),
    };
    EdgeConfig {
        budget: settings.request_time,
        body_time: settings.body_time,
        fair: FairLimits {
            per_caller: settings.max_concurrent_per_caller.get(),
            total,
            waiting: total,
            ..FairLimits::default()
        },
        trusted_proxies: settings.trusted_proxies.clone(),
        allowed_origins: settings.allowed_origins.clone(),
        quotas: settings.rate_limits.then_some(quotas),
        ..EdgeConfig::default()
    }
}

/// The bounds of connections.
pub fn listen(settings: &Settings) -> ListenConfig {
    ListenConfig {
        max_connections: settings.max_connections.get(),
        header_time: settings.header_time,
        drain: settings.drain_time,
        unready: settings.unready_time,
        ..ListenConfig::default()
    }
}

/// How the session's cookie is sent.
pub const fn cookie(settings: &Settings) -> CookieRules {
    CookieRules {
        secure: settings.session_cookie_secure,
        http_only: settings.session_cookie_httponly,
    }
}

/// The certificate that is served, if its files are named.
pub fn certificates(settings: &Settings) -> Result<Option<Arc<Certificates>>> {
    let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) else {
        return Ok(None);
    };
    Certificates::open(certificate, key)
        .map(Some)
        .with_context(|| format!("{} and {}", certificate.display(), key.display()))
}

/// Limits that all replicas share, if there is a Redis.
pub fn shared_limits(settings: &Settings) -> Result<Option<RedisLimiter>> {
    let Some(url) = &settings.redis_url else {
        return Ok(None);
    };
    let wanted = "`redis.url` (REDIS_URL) must be an address such as redis://:password@host:6379";
    let mut url = Url::parse(url.reveal()).ok().context(wanted)?;
    if url.path().trim_matches('/').is_empty() {
        url.set_path(&settings.redis_db.to_string());
    }
    let trusted = settings.redis_ca.as_deref().map(read).transpose()?;
    if trusted.is_some() && url.scheme() != "rediss" {
        bail!("`redis.ca` (REDIS_CA) is for `rediss://` in `redis.url`");
    }
    RedisLimiter::new(url.as_str(), trusted, PATIENCE)
        .map(Some)
        .context(wanted)
}

/// The mail server, if there is one.
pub fn mail(settings: &Settings) -> Result<Option<Mailer>> {
    let Some(host) = settings.smtp_host.clone() else {
        return Ok(None);
    };
    let port = settings.smtp_port;
    let security = match settings.smtp_tls {
        Some(MailTls::StartTls) => Security::StartTls,
        Some(MailTls::Implicit) => Security::Implicit,
        Some(MailTls::None) => Security::None,
        None if port == IMPLICIT_TLS => Security::Implicit,
        None => Security::StartTls,
    };
    let credentials = settings.smtp_user.clone().zip(settings.smtp_password.as_ref());
    let config = MailConfig {
        host,
        port,
        security,
        trusted: settings.smtp_ca.as_deref().map(read).transpose()?,
        credentials: credentials.map(|(user, password)| (user, password.reveal().to_owned())),
        from: settings.mail_from.clone().unwrap_or_default(),
        public_url: public_url(settings)?,
        each: mail::EACH,
    };
    let mailer = Mailer::new(config, Arc::new(SystemClock));
    mailer
        .map(Some)
        .context("`mail.from` (MAIL_FROM) or `mail.ca` (SMTP_CA)")
}

/// The port on which mail servers expect TLS from the first byte (RFC 8314, section 3.3).
const IMPLICIT_TLS: u16 = 465;

/// The address that mail names, checked.
fn public_url(settings: &Settings) -> Result<String> {
    let text = settings.public_url.as_deref().unwrap_or_default();
    let url = Url::parse(text).ok();
    let sound = url.as_ref().is_some_and(|url| {
        ["http", "https"].contains(&url.scheme()) && url.query().is_none() && url.fragment().is_none()
    });
    url.filter(|_| sound)
        .map(String::from)
        .context("`http.public_url` (PUBLIC_URL) must be an address such as https://farm.example")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Who may read the metrics of the public listener.
pub const fn metrics_access(settings: &Settings) -> MetricsAccess {
    match (settings.prometheus, settings.metrics_public) {
        (false, _) => MetricsAccess::Nobody,
        (true, true) => MetricsAccess::Anybody,
        (true, false) => MetricsAccess::PlatformAdmin,
    }
}

/// What the log shows at least.
pub const fn log_level(settings: &Settings) -> LogLevel {
    if settings.debug {
        LogLevel::Debug
    } else {
        settings.log_level
    }
}

/// How log lines look.
pub const fn log_format(settings: &Settings) -> Format {
    match settings.log_format {
        config::LogFormat::Json => Format::Json,
        config::LogFormat::Text => Format::Text,
    }
}

/// Everything that can be said about the settings without opening a database or a port.
pub fn check(settings: &Settings) -> Vec<anyhow::Error> {
    [
        database(settings)
            .and_then(|config| config.check().context("`database.url` or `database.replica_url`")),
        given_master_key(settings).map(drop),
        admin_password(settings),
        certificates(settings).map(drop),
        shared_limits(settings).map(drop),
        mail(settings).map(drop),
        crate::traces::collector(settings).map(drop),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use config::{Sources, load};

    use super::*;

    /// The table of keys is where an operator reads a default; the parts have their own, for tests and for the
    /// operators' listener. Here the two are held together.
    #[test]
    fn the_defaults_of_the_table_are_those_of_the_parts() {
        let nothing = Sources {
            flags: &[],
            environment: &HashMap::new(),
            file: None,
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let settings = load(&nothing).unwrap().settings;
        let shown = |value: &dyn std::fmt::Debug| format!("{value:?}");
        assert_eq!(shown(&edge(&settings)), shown(&EdgeConfig::default()));
        assert_eq!(shown(&listen(&settings)), shown(&ListenConfig::default()));
        assert_eq!(shown(&cookie(&settings)), shown(&CookieRules::default()));
        let key = [1; 32];
        assert_eq!(shown(&identity(&settings, key)), shown(&IdentityConfig::new(key)));
        let database = database(&settings).unwrap();
        assert_eq!(
            database.wait_timeout,
            DbConfig::sqlite("x").wait_timeout,
            "database.wait"
        );
    }
}
