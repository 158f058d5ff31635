//! What happens after commit and apart from requests: the outbox, the live channel's feed, jobs, cleaning up.
//!
//! Everything here is at least once, therefore idempotent. A lease in the row, never an open transaction while work
//! runs; woken by a signal, kept alive by polling; a stop ends between two pieces of work.

pub mod export;
pub mod feed;
pub mod import;
pub mod jobs;
pub mod mail;
pub mod outbox;
pub mod reconcile;
pub mod relay;

use std::{sync::Arc, time::Duration};

use app::App;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use jobs::{JobConfig, JobHandler, JobRunner};
use outbox::{Handler, OutboxConfig, OutboxRunner};

/// How many workers run in this process, and their pace.
#[derive(Clone, Debug)]
pub struct WorkersConfig {
    /// Tasks that take work from the outbox. Default: 2.
    pub outbox_tasks: usize,
    /// The outbox but for mail.
    pub outbox: OutboxConfig,
    /// Mail, which one task of each process sends.
    pub mail: OutboxConfig,
    /// Jobs.
    pub jobs: JobConfig,
    /// Longest time between two looks for live messages without a signal. Default: 2 s.
    pub live_poll: Duration,
}

impl Default for WorkersConfig {
    fn default() -> Self {
        Self {
            outbox_tasks: 2,
            outbox: OutboxConfig::default(),
            mail: OutboxConfig::mail(),
            jobs: JobConfig::default(),
            live_poll: Duration::from_secs(2),
        }
    }
}

/// The handlers that every deployment has; the one of mail is made from the settings: [`mail::Mailer`] or
/// [`mail::NoMail`].
#[must_use]
pub fn default_handlers(app: &App) -> Vec<Arc<dyn Handler>> {
    vec![Arc::new(relay::LiveRelay::new(app.clone()))]
}

/// The kinds of jobs that every deployment has.
#[must_use]
pub fn default_jobs() -> Vec<Arc<dyn JobHandler>> {
    vec![Arc::new(export::ExportJob), Arc::new(import::ImportJob)]
}

/// Starts all workers. Cancel `stop` and wait for the tracker: each ends after the piece of work it has begun.
#[must_use]
pub fn start(
    app: &App,
    config: &WorkersConfig,
    handlers: Vec<Arc<dyn Handler>>,
    jobs: Vec<Arc<dyn JobHandler>>,
    stop: &CancellationToken,
) -> TaskTracker {
    let tracker = TaskTracker::new();
    let (mail, stop_mail) = (
        OutboxRunner::new(app, config.mail.clone(), handlers.clone()),
        stop.clone(),
    );
    tracker.spawn(async move { mail.run(stop_mail).await });
    let runner = Arc::new(OutboxRunner::new(app, config.outbox.clone(), handlers));
    for _ in 0..config.outbox_tasks {
        let (runner, stop) = (Arc::clone(&runner), stop.clone());
        tracker.spawn(async move { runner.run(stop).await });
    }
    let (runner, stop_jobs) = (JobRunner::new(app, config.jobs.clone(), jobs), stop.clone());
    tracker.spawn(async move { runner.run(stop_jobs).await });
    tracker.spawn(feed::run(app.clone(), config.live_poll, stop.clone()));
    for task in reconcile::TASKS {
        tracker.spawn(reconcile::run(app.clone(), *task, stop.clone()));
    }
    tracker.close();
    tracker
}

/// Waits that long, or until the stop; tells whether to go on.
pub(crate) async fn pause(stop: &CancellationToken, span: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(span) => true,
    }
}
