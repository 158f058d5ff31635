//! Putting the platform together: settings, database, application, edge, workers.

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
use db::{Db, DbConfig, Micros, Target};
use domain::{
    ids::{Clock, IdSource},
    tier::Tier,
};
use server::{
    csrf::Csrf,
    database_metrics::{DatabaseCollector, DatabaseMetrics},
    edge::{Edge, EdgeConfig, Outside},
    listen::{self, ListenConfig},
    live_metrics::LiveCollector,
    platform::{
        Platform, PlatformAuthenticator, PlatformIdempotency, core_routes, event_routes, identity_routes,
    },
    request_log::{Format, LogWriter, RequestLog, Which},
    served::{Latches, MetricsAccess, Probe, Served, Version},
    system::{SystemClock, SystemIds},
};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use workers::WorkersConfig;

/// Where things are and how much of them may be used. Flags win over the environment, that over the defaults.
#[derive(clap::Args, Debug)]
pub struct Settings {
    /// Folder of the embedded database and of the keys made at the first start
    #[arg(
        long,
        env = "FARMGATE_DATA",
        default_value = "farmgate-data",
        value_name = "FOLDER"
    )]
    data: PathBuf,
    /// PostgreSQL to use in place of the embedded database
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Streaming replica of that PostgreSQL, for statistics and other reads that bear its lag
    #[arg(
        long,
        env = "DATABASE_REPLICA_URL",
        value_name = "URL",
        hide_env_values = true,
        requires = "database_url"
    )]
    database_replica_url: Option<String>,
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
    /// Request lines on standard error: info writes all, error those that failed, off none
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_parser = ["debug", "info", "error", "off"])]
    log_level: String,
    /// How they are written
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
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
            // farmgate: allow(blocking-fs) because nothing is served yet while the process starts
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
            target.replica_url.clone_from(&self.database_replica_url);
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
            hex::decode_to_slice(text.trim(), &mut key)
                .context("ENCRYPTION_KEY must be 64 hexadecimal digits")?;
            return Ok(key);
        }
        if self.database_url.is_some() {
            // Replicas must agree on it, and the folder is not shared.
            let Some(secret) = &self.jwt_secret else {
                bail!(
                    "with DATABASE_URL, set ENCRYPTION_KEY (64 hexadecimal digits; `openssl rand -hex 32` makes one)"
                );
            };
            return Ok(Sha256::digest(format!("farmgate/master-key/v1\0{secret}")).into());
        }
        stored_key(&self.data.join("master.key"))
    }

    fn request_log(&self) -> Result<Option<RequestLog>> {
        let which = match self.log_level.as_str() {
            "off" => return Ok(None),
            "error" => Which::Failed,
            _ => Which::All,
        };
        let format = if self.log_format == "json" {
            Format::Json
        } else {
            Format::Text
        };
        let (writer, _thread) =
            LogWriter::start(std::io::stderr()).context("cannot start the log's thread")?;
        Ok(Some(RequestLog::new(writer, format, which)))
    }

    fn edge(&self) -> EdgeConfig {
        let mut config = EdgeConfig::default();
        if self.rate_limits == "off" {
            config.quotas = None;
        }
        config
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

/// The present moment, for commands that stamp what they do.
pub fn now() -> Micros {
    Micros(SystemClock.now().micros())
}

/// Version and commit, as `--version` and `/version` say them.
pub const fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// A platform that is ready to serve.
pub struct Running {
    /// The use cases.
    pub app: App,
    /// What keeps the process from being ready.
    pub latches: Latches,
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
        let measured = Arc::new(DatabaseMetrics::new(SLOW_STATEMENT));
        let db = Db::open(config, measured.clone())
            .await
            .context("cannot open the database")?;
        measured.watch(db.clone());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdSource>) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let identity_config = settings.identity()?;
        let csrf_key = Sha256::digest([b"farmgate/csrf/v1".as_slice(), &identity_config.master_key].concat());
        let csrf = Csrf::new(csrf_key.into());
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
        let latches = Latches::default();
        let served = served(&app, measured, &latches, clock.clone());
        let platform = Platform {
            app: app.clone(),
            csrf: csrf.clone(),
        };
        let routes = identity_routes()
            .merge(core_routes())
            .merge(event_routes())
            .bind(platform);
        let mut outside = Outside::new(clock, ids, Arc::new(PlatformAuthenticator(app.clone())), csrf);
        outside.idempotency = Some(Arc::new(PlatformIdempotency(app.clone())));
        outside.log = settings.request_log()?;
        let edge = Edge::new(
            routes.merge(served.routes(MetricsAccess::Anybody)),
            settings.edge(),
            outside,
        )?;
        served.attach(&edge);
        Ok(Self {
            app,
            latches,
            edge,
            db,
        })
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.db.engine().name()
    }

    /// Serves until `stop`, drains, lets the workers end what they began, and closes the database.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        stop: CancellationToken,
        abort: CancellationToken,
    ) {
        let (handlers, jobs) = (workers::default_handlers(&self.app), workers::default_jobs());
        let tracker = workers::start(&self.app, &WorkersConfig::default(), handlers, jobs, &stop);
        // Listeners leave first: an event stream that stays open would hold up the drain.
        let live = Arc::clone(self.app.live());
        let stopped = stop.clone();
        tokio::spawn(async move {
            stopped.cancelled().await;
            live.close_all();
        });
        listen::serve(
            listener,
            self.edge,
            ListenConfig::default(),
            None,
            stop,
            abort.clone(),
        )
        .await;
        tokio::select! {
            () = tracker.wait() => {}
            () = abort.cancelled() => {}
        }
        if let Err(error) = self.app.identity().flush_uses().await {
            tracing::warn!(%error, "could not note the last uses of sessions and keys");
        }
        self.db.close().await;
    }
}

/// Statements slower than this are told in the log.
const SLOW_STATEMENT: Duration = Duration::from_millis(500);

fn served(app: &App, measured: Arc<DatabaseMetrics>, latches: &Latches, clock: Arc<dyn Clock>) -> Served {
    let db = app.db();
    let schema = store::migrations::ALL
        .last()
        .map_or(0, |last| u32::try_from(last.version).unwrap_or_default());
    let version = Version::of_build(db.engine().name().to_owned(), schema);
    let probed = db.clone();
    let database = Probe::critical("database", move || {
        let db = probed.clone();
        Box::pin(async move { db.ping().await.map_err(|error| error.to_string()) })
    });
    let live = LiveCollector(Arc::clone(app.live()));
    Served::new(
        version,
        vec![database],
        latches.clone(),
        clock,
        vec![Box::new(DatabaseCollector(measured)), Box::new(live)],
    )
}
