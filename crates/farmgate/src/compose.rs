//! Putting the platform together: database, application, edge, workers.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use app::{App, AppError, Parts, identity::Services};
use config::{Environment, Settings};
use db::{Db, DbConfig, Micros};
use domain::ids::{Clock, IdSource};
use server::{
    csrf::Csrf,
    database_metrics::{DatabaseCollector, DatabaseMetrics},
    edge::{Edge, EdgeConfig, Outside},
    isolation::Isolation,
    listen::{self, ListenConfig},
    live_metrics::LiveCollector,
    platform::{
        Platform, PlatformAuthenticator, PlatformDenials, PlatformIdempotency, core_routes, event_routes,
        identity_routes,
    },
    platform_guard::PlatformGuard,
    platform_metrics::PlatformCollector,
    rate::RateLimiter,
    redirect::Redirect,
    routes::BoundRoutes,
    served::{Latches, MetricsAccess, Probe, Served, Version},
    spans::TraceSink,
    system::{SystemClock, SystemIds},
    tls::{Certificates, Renewal, TlsAcceptor, TlsCollector},
};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use workers::{WorkersConfig, mail::NoMail, outbox::Handler};

use crate::{listeners::Listeners, lock::Lock, log::Log, probes, settings, traces::Traces};

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
    operator: Arc<Edge>,
    listen: ListenConfig,
    db: Db,
    traces: Option<Arc<Traces>>,
    mail: Arc<dyn Handler>,
    tls: Option<(TlsAcceptor, Renewal)>,
    _lock: Lock,
}

impl Running {
    /// Opens the database, brings its schema up to date and puts everything together.
    pub async fn start(settings: &Settings, log: &Log) -> Result<Self> {
        settings::make_data_folder(settings)?;
        let (mail, certificates) = (mail(settings)?, settings::certificates(settings)?);
        let config = settings::database(settings)?;
        let lock = Lock::take(&config).await?;
        let (db, measured) = open_database(settings, &config).await?;
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdSource>) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let master_key = settings::master_key(settings)?;
        let app = use_cases(settings, master_key, &db, (&clock, &ids)).await?;
        let shared_limits = settings::shared_limits(settings)?.map(Arc::new);
        let probes = probes::all(&db, &config, shared_limits.as_ref());
        let latches = Latches::default();
        let served = served(&app, measured, &latches, probes, clock.clone());
        let platform = platform(settings, &app, &master_key);
        served.collect(Box::new(collector(&platform)));
        let encrypt = |certificates| encrypted(&certificates, &served, &clock);
        let tls = certificates.map(encrypt).transpose()?;
        let outside = || given_to_every_edge(&platform, &clock, &ids);
        let operator = operator(settings, &served, outside())?;
        let mut outside = of_platform(outside(), &platform);
        outside.shared_limits = shared_limits.map(|limits| limits as Arc<dyn RateLimiter>);
        outside.log = log.requests();
        let traces = Traces::start(settings, Arc::clone(&ids), db.engine().name())?;
        outside.traces = traces.clone().map(|traces| traces as Arc<dyn TraceSink>);
        let routes = routes(platform).merge(served.routes(settings::metrics_access(settings)));
        let edge = Edge::new(routes, settings::edge(settings), outside)?;
        served.attach(&edge);
        Ok(Self {
            app,
            latches,
            edge,
            operator,
            listen: settings::listen(settings),
            db,
            traces,
            mail,
            tls,
            _lock: lock,
        })
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.db.engine().name()
    }

    /// Serves until `stop`, drains, lets the workers end what they began, and closes the database. `abort` cuts all
    /// of that short. Operators are answered until the end.
    pub async fn serve(mut self, listeners: Listeners, stop: CancellationToken, abort: CancellationToken) {
        let (mut handlers, jobs) = (workers::default_handlers(&self.app), workers::default_jobs());
        handlers.push(Arc::clone(&self.mail));
        let tracker = workers::start(&self.app, &WorkersConfig::default(), handlers, jobs, &stop);
        let over = CancellationToken::new();
        let operator = listeners
            .operator
            .map(|listener| self.answer_operators(listener, over.clone(), abort.clone()));
        let tls = self.tls.take().map(|(acceptor, renewal)| {
            tokio::spawn(renewal.run(LOOK_AT_CERTIFICATE, stop.clone()));
            acceptor
        });
        let redirect = self.redirect(listeners.redirect, stop.clone(), abort.clone());
        // Streams end when the server stops accepting: the drain would wait for them in vain.
        let streams = async {
            listen::closing(self.listen.unready, &stop, &abort).await;
            self.app.live().close_all();
        };
        let edge = Arc::clone(&self.edge);
        let (stopped, aborted) = (stop.clone(), abort.clone());
        let public = listen::serve(listeners.public, edge.into(), self.listen, tls, stopped, aborted);
        tokio::join!(public, redirect, streams);
        tokio::select! {
            () = self.finish(&tracker) => {}
            () = abort.cancelled() => {}
        }
        over.cancel();
        if let Some(operator) = operator {
            // A task that panicked has been told already; the process ends either way.
            let _ = operator.await;
        }
    }

    /// Sends who comes over plain HTTP to this port of TLS, if there is a listener for them.
    async fn redirect(
        &self,
        listener: Option<(TcpListener, u16)>,
        stop: CancellationToken,
        abort: CancellationToken,
    ) {
        if let Some((listener, port)) = listener {
            let redirect = Redirect::new(port, Arc::clone(self.edge.metrics()));
            listen::serve(listener, redirect.into(), self.listen, None, stop, abort).await;
        }
    }

    /// Serves the operators until `over`, in a task of its own.
    fn answer_operators(
        &self,
        listener: TcpListener,
        over: CancellationToken,
        abort: CancellationToken,
    ) -> JoinHandle<()> {
        let config = ListenConfig {
            unready: Duration::ZERO,
            drain: OPERATOR_DRAIN,
            ..self.listen
        };
        let edge = Arc::clone(&self.operator);
        tokio::spawn(listen::serve(listener, edge.into(), config, None, over, abort))
    }

    async fn finish(&self, tracker: &TaskTracker) {
        tracker.wait().await;
        if let Err(error) = self.app.identity().flush_uses().await {
            tracing::warn!(%error, "could not note the last uses of sessions and keys");
        }
        if let Err(error) = self.app.flush_refusals().await {
            tracing::warn!(%error, "could not note the last refused attempts");
        }
        if let Some(traces) = self.traces.clone() {
            traces.finish().await;
        }
        self.db.close().await;
    }
}

/// Time between two looks at the files of the certificate.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(60);

/// TLS of the public listener, and what keeps its certificate the one in the files.
fn encrypted(
    certificates: &Arc<Certificates>,
    served: &Served,
    clock: &Arc<dyn Clock>,
) -> Result<(TlsAcceptor, Renewal)> {
    served.collect(Box::new(TlsCollector(Arc::clone(certificates))));
    let renewal = Renewal::register(Arc::clone(certificates), Arc::clone(clock));
    let renewal = renewal.context("cannot listen to signals")?;
    Ok((certificates.acceptor()?, renewal))
}

/// What becomes of mail.
fn mail(settings: &Settings) -> Result<Arc<dyn Handler>> {
    if let Some(mailer) = settings::mail(settings)? {
        return Ok(Arc::new(mailer));
    }
    tracing::info!(
        "no mail is sent: `mail.host` is not set; resets of passwords end as failed rows of the outbox"
    );
    Ok(Arc::new(NoMail))
}

/// Everything that the platform answers to.
fn routes(platform: Platform) -> BoundRoutes {
    identity_routes()
        .merge(core_routes())
        .merge(event_routes())
        .bind(platform)
}

/// What the platform's routes are given.
fn platform(settings: &Settings, app: &App, master_key: &[u8; 32]) -> Platform {
    let csrf_key = Sha256::digest([b"farmgate/csrf/v1".as_slice(), master_key].concat());
    Platform {
        app: app.clone(),
        csrf: Csrf::new(csrf_key.into()),
        cookie: settings::cookie(settings),
        isolation: Arc::new(Isolation::default()),
        guarded: settings.environment == Environment::Staging,
    }
}

/// The figures that the platform tells of itself.
fn collector(platform: &Platform) -> PlatformCollector {
    PlatformCollector {
        app: platform.app.clone(),
        isolation: Arc::clone(&platform.isolation),
        guarded: platform.guarded,
    }
}

/// What every edge is given.
fn given_to_every_edge(platform: &Platform, clock: &Arc<dyn Clock>, ids: &Arc<dyn IdSource>) -> Outside {
    let authenticator = Arc::new(PlatformAuthenticator(platform.app.clone()));
    Outside::new(
        Arc::clone(clock),
        Arc::clone(ids),
        authenticator,
        platform.csrf.clone(),
    )
}

/// What the public edge is given besides: the platform keeps its idempotency keys, hears its denials, and on a stage
/// looks at its answers.
fn of_platform(mut outside: Outside, platform: &Platform) -> Outside {
    let app = &platform.app;
    outside.isolation = Arc::clone(&platform.isolation);
    outside.idempotency = Some(Arc::new(PlatformIdempotency(app.clone())));
    outside.denials = Some(Arc::new(PlatformDenials(app.clone())));
    if platform.guarded {
        outside.guard = Some(Arc::new(PlatformGuard(app.clone())));
    }
    outside
}

/// The use cases over this database, with the administrator that the settings ask for.
async fn use_cases(
    settings: &Settings,
    master_key: [u8; 32],
    db: &Db,
    (clock, ids): (&Arc<dyn Clock>, &Arc<dyn IdSource>),
) -> Result<App> {
    let identity_config = settings::identity(settings, master_key);
    let identity = Services::start(db, &**clock, &**ids, identity_config);
    let identity = identity.await.map_err(at_start)?;
    let app = App::new(Parts {
        item_loader: app::item_loader(db),
        db: db.clone(),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        identity,
        outbox_wake: Arc::new(tokio::sync::Notify::new()),
    })
    .remembering(settings.cache_ttl);
    if let Some(password) = &settings.admin_password {
        let identity = app.identity();
        let made = identity.ensure_admin(settings::secret(password)).await;
        made.map_err(at_start)
            .context("`server.admin_password` (FARMGATE_ADMIN_PASSWORD)")?;
    }
    Ok(app)
}

/// An error of the use cases for who starts the program: no request has an id yet, and the cause may be named.
fn at_start(error: AppError) -> anyhow::Error {
    let AppError {
        message,
        fields,
        source,
        ..
    } = error;
    if let Some(source) = source {
        return anyhow::Error::new(source).context("the platform cannot start");
    }
    let rules: Vec<_> = fields
        .into_iter()
        .map(|field| format!("{} {}", field.field, field.message))
        .collect();
    anyhow!(if rules.is_empty() {
        message
    } else {
        rules.join("; ")
    })
}

/// Longest time that an operator's request may take to end after everything else has.
const OPERATOR_DRAIN: Duration = Duration::from_secs(1);

async fn open_database(settings: &Settings, config: &DbConfig) -> Result<(Db, Arc<DatabaseMetrics>)> {
    db::migrate::up(config, store::migrations::ALL, now())
        .await
        .context("cannot bring the schema up to date")?;
    let measured = Arc::new(DatabaseMetrics::new(settings.slow_query));
    let db = Db::open(config.clone(), measured.clone())
        .await
        .context("cannot open the database")?;
    measured.watch(db.clone());
    Ok((db, measured))
}

/// The edge of the operators' listener: health, version, metrics; no credential is asked for.
fn operator(settings: &Settings, served: &Served, outside: Outside) -> Result<Arc<Edge>> {
    let access = if settings.prometheus {
        MetricsAccess::Anybody
    } else {
        MetricsAccess::Nobody
    };
    let config = EdgeConfig {
        quotas: None,
        ..EdgeConfig::default()
    };
    Ok(Edge::new(served.routes(access), config, outside)?)
}

fn served(
    app: &App,
    measured: Arc<DatabaseMetrics>,
    latches: &Latches,
    probes: Vec<Probe>,
    clock: Arc<dyn Clock>,
) -> Served {
    let schema = store::migrations::ALL
        .last()
        .map_or(0, |last| u32::try_from(last.version).unwrap_or_default());
    let version = Version::of_build(app.db().engine().name().to_owned(), schema);
    let live = LiveCollector(Arc::clone(app.live()));
    Served::new(
        version,
        probes,
        latches.clone(),
        clock,
        vec![Box::new(DatabaseCollector(measured)), Box::new(live)],
    )
}
