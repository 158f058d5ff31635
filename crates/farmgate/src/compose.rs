//! Putting the platform together: settings, database, application, edge, workers. The only place that reads the clock.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use app::{
    App, Parts,
    identity::{IdentityConfig, Secret, Services},
};
use db::{Db, DbConfig, Micros, NoObserver, Target};
use domain::{
    ids::{Clock, IdSource, Timestamp},
    tier::Tier,
};
use rand::Rng;
use server::{
    csrf::Csrf,
    edge::{Edge, EdgeConfig, Outside},
    listen::{self, ListenConfig},
    platform::{Platform, PlatformAuthenticator, core_routes, identity_routes},
    rate::Quota,
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Where things are and how much of them may be used. Flags win over the environment, that over the defaults.
#[derive(clap::Args, Debug)]
pub struct Settings {
    /// Folder of the embedded database and of the keys made at the first start
    #[arg(long, env = "FARMGATE_DATA", default_value = "farmgate-data", value_name = "FOLDER")]
    data: PathBuf,
    /// PostgreSQL to use in place of the embedded database
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Connections to PostgreSQL
    #[arg(long, env = "DATABASE_MAX_CONNS", default_value_t = 20)]
    database_max_conns: usize,
    /// 32 bytes in hex that wrap the workspaces' keys; made at the first start when absent
    #[arg(long, env = "ENCRYPTION_KEY", hide_env_values = true)]
    encryption_key: Option<String>,
    /// Signs tokens; made at the first start when absent
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// Password of the account `admin`, made at the first start in place of a set-up token
    #[arg(long, env = "FARMGATE_ADMIN_PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,
    /// Tier of new workspaces: basic, professional or enterprise
    #[arg(long, env = "FARMGATE_DEFAULT_TIER", default_value = "basic")]
    default_tier: Tier,
    /// `off` lifts all rate limits, for measuring
    #[arg(long, env = "FARMGATE_RATE_LIMITS", default_value = "on", value_parser = ["on", "off"])]
    rate_limits: String,
}

impl Settings {
    /// Settings of a throw-away demonstration.
    pub fn demonstrate_in(&mut self, folder: &Path) {
        if self.database_url.is_none() {
            self.data = folder.to_owned();
        }
        self.default_tier = Tier::Enterprise;
    }

    /// Where the database is.
    pub fn database(&self) -> Result<DbConfig> {
        let Some(url) = &self.database_url else {
            std::fs::create_dir_all(&self.data)
                .with_context(|| format!("cannot make the data folder {}", self.data.display()))?;
            return Ok(DbConfig::sqlite(self.data.join("farmgate.db")));
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            bail!("DATABASE_URL must begin with postgres:// (leave it away for the embedded database)");
        }
        let mut config = DbConfig::postgres(url.clone());
        if let Target::Postgres(target) = &mut config.target {
            target.system_pool = (self.database_max_conns / 4).max(2);
            target.app_pool = self.database_max_conns.saturating_sub(target.system_pool).max(2);
        }
        Ok(config)
    }

    fn identity(&self) -> Result<IdentityConfig> {
        let mut config = IdentityConfig::new(self.master_key()?);
        config.default_tier = self.default_tier;
        config.token_key = self.jwt_secret.clone().map(Secret::new);
        Ok(config)
    }

    fn master_key(&self) -> Result<[u8; 32]> {
        if let Some(text) = &self.encryption_key {
            let mut key = [0; 32];
            hex::decode_to_slice(text.trim(), &mut key).context("ENCRYPTION_KEY must be 64 hexadecimal digits")?;
            return Ok(key);
        }
        if self.database_url.is_some() {
            // Replicas must agree on it, and the folder is not shared.
            let Some(secret) = &self.jwt_secret else {
                bail!("with DATABASE_URL, set ENCRYPTION_KEY (64 hexadecimal digits; `openssl rand -hex 32` makes one)");
            };
            return Ok(Sha256::digest(format!("farmgate/master-key/v1\0{secret}")).into());
        }
        stored_key(&self.data.join("master.key"))
    }

    fn edge(&self) -> EdgeConfig {
        let mut config = EdgeConfig::default();
        if self.rate_limits == "off" {
            let open = Quota::per_minute(u32::MAX);
            let quotas = &mut config.quotas;
            for quota in [
                &mut quotas.anonymous,
                &mut quotas.user,
                &mut quotas.key,
                &mut quotas.workspace,
                &mut quotas.login,
                &mut quotas.reset,
            ] {
                *quota = open;
            }
        }
        config
    }
}

/// The key in a file that only its owner may read; made when absent.
fn stored_key(path: &Path) -> Result<[u8; 32]> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut key = [0; 32];
    match std::fs::read_to_string(path) {
        Ok(text) => {
            hex::decode_to_slice(text.trim(), &mut key)
                .with_context(|| format!("{} does not hold 64 hexadecimal digits", path.display()))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            System.fill(&mut key);
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

/// The machine's clock and randomness. Tests have their own.
struct System;

impl Clock for System {
    #[allow(clippy::disallowed_methods, reason = "the one place where the process reads the wall clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

impl IdSource for System {
    fn uuid(&self) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(self.now().millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where the process draws randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        rand::rng().fill_bytes(buffer);
    }
}

/// The present moment, for commands that stamp what they do.
pub fn now() -> Micros {
    Micros(System.now().micros())
}

/// Version and commit, as `--version` and `/version` say them.
pub const fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// A platform that is ready to serve.
pub struct Running {
    /// The use cases.
    pub app: App,
    edge: Arc<Edge>,
    db: Db,
}

impl Running {
    /// Opens the database, brings its schema up to date and puts everything together.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let config = settings.database()?;
        db::migrate::up(&config, store::migrations::ALL, now())
            .await
            .context("cannot bring the schema up to date")?;
        let db = Db::open(config, Arc::new(NoObserver)).await.context("cannot open the database")?;
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdSource>) = (Arc::new(System), Arc::new(System));
        let identity_config = settings.identity()?;
        let csrf = Csrf::new(Sha256::digest([b"farmgate/csrf/v1".as_slice(), &identity_config.master_key].concat()).into());
        let identity = Services::start(&db, &*clock, &*ids, identity_config).await?;
        let app = App::new(Parts {
            item_loader: app::item_loader(&db),
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            identity,
            outbox_wake: Arc::new(tokio::sync::Notify::new()),
        });
        if let Some(password) = &settings.admin_password {
            app.identity().ensure_admin(Secret::new(password.clone())).await?;
        }
        let platform = Platform { app: app.clone(), csrf: csrf.clone() };
        let routes = identity_routes().merge(core_routes()).bind(platform);
        let authenticator = Arc::new(PlatformAuthenticator(app.clone()));
        let edge = Edge::new(routes, settings.edge(), Outside { clock, ids, authenticator, csrf })?;
        Ok(Self { app, edge, db })
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.db.engine().name()
    }

    /// Serves until `stop`, drains, and closes the database.
    pub async fn serve(self, listener: tokio::net::TcpListener, stop: CancellationToken, abort: CancellationToken) {
        let upkeep = tokio::spawn(upkeep(self.app.clone(), stop.clone()));
        listen::serve(listener, self.edge, ListenConfig::default(), None, stop, abort).await;
        upkeep.abort();
        note_uses(&self.app).await;
        self.db.close().await;
    }
}

/// What happens in the background: last uses of sessions and keys are written in batches, never on a request's way.
async fn upkeep(app: App, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(10)) => note_uses(&app).await,
        }
    }
}

async fn note_uses(app: &App) {
    if let Err(error) = app.identity().flush_uses().await {
        tracing::warn!(%error, "could not note the last uses of sessions and keys; trying again later");
    }
}
