//! Reconcilers: each reads the state, compares, acts; it takes no input and may run anywhere, any number of times.

use std::time::Duration;

use app::{App, AppError, live::RESUME};
use db::{Scope, Step};
use futures_util::future::BoxFuture;
use store::{idempotency, jobs, live, outbox, sessions};
use tokio_util::sync::CancellationToken;

use crate::pause;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Rows removed by one statement.
const BATCH: u32 = 500;
/// Live messages outlive the promise by this much, so that a replay under way finishes.
const MARGIN: Duration = Duration::from_secs(300);

type Work = fn(App) -> BoxFuture<'static, Result<u64, AppError>>;

/// A reconciler: its name, its pace, what it does.
#[derive(Clone, Copy)]
pub struct Task {
    /// The name, for the log.
    pub name: &'static str,
    /// Time between two runs.
    pub every: Duration,
    /// What it does; tells how many things it changed.
    pub work: Work,
}

/// All reconcilers.
pub const TASKS: &[Task] = &[
    Task {
        name: "live_rights",
        every: Duration::from_secs(2),
        work: |app| Box::pin(live_rights(app)),
    },
    Task {
        name: "live_messages",
        every: MINUTE,
        work: |app| Box::pin(old_messages(app)),
    },
    Task {
        name: "live_tickets",
        every: MINUTE,
        work: |app| Box::pin(old_tickets(app)),
    },
    Task {
        name: "credential_uses",
        every: Duration::from_secs(5),
        work: |app| Box::pin(credential_uses(app)),
    },
    Task {
        name: "incidents",
        every: MINUTE,
        work: |app| Box::pin(async move { app.open_incidents().await }),
    },
    Task {
        name: "idempotency_keys",
        every: MINUTE,
        work: |app| Box::pin(old_keys(app)),
    },
    Task {
        name: "sessions",
        every: HOUR,
        work: |app| Box::pin(old_sessions(app)),
    },
    Task {
        name: "outbox",
        every: HOUR,
        work: |app| Box::pin(old_work(app)),
    },
    Task {
        name: "job_outputs",
        every: HOUR,
        work: |app| Box::pin(old_outputs(app)),
    },
    Task {
        name: "retention",
        every: HOUR,
        work: |app| Box::pin(async move { app.retain_events().await }),
    },
];

/// Runs a reconciler at its pace until the stop. A failure is logged; the next run tries again.
pub async fn run(app: App, task: Task, stop: CancellationToken) {
    loop {
        match (task.work)(app.clone()).await {
            Ok(changed) if changed > 0 => tracing::debug!(task = task.name, changed, "reconciled"),
            Ok(_) => {}
            Err(error) => tracing::warn!(task = task.name, %error, "could not reconcile"),
        }
        if !pause(&stop, task.every).await {
            return;
        }
    }
}

async fn live_rights(app: App) -> Result<u64, AppError> {
    let before = app.live().stats().revoked;
    app.live().check_rights().await?;
    Ok(app.live().stats().revoked - before)
}

async fn credential_uses(app: App) -> Result<u64, AppError> {
    app.identity().flush_uses().await?;
    Ok(0)
}

/// Repeats a deleting step until it finds less than a batch.
async fn drain(app: &App, steps: impl Fn() -> Vec<Step>) -> Result<u64, AppError> {
    let mut removed = 0;
    loop {
        // Rows of every tenant, by their age alone.
        let affected = app.db().run(&Scope::system(), steps()).await?;
        removed += affected.iter().sum::<u64>();
        if affected.iter().all(|count| *count < u64::from(BATCH)) {
            return Ok(removed);
        }
    }
}

async fn old_messages(app: App) -> Result<u64, AppError> {
    let before = app.clock().now().minus(RESUME + MARGIN);
    drain(&app, || vec![live::purge(before, BATCH)]).await
}

async fn old_tickets(app: App) -> Result<u64, AppError> {
    let before = app.clock().now();
    drain(&app, || vec![live::purge_tickets(before, BATCH)]).await
}

async fn old_keys(app: App) -> Result<u64, AppError> {
    let before = app.clock().now().minus(DAY);
    drain(&app, || vec![idempotency::purge(before, BATCH)]).await
}

async fn old_sessions(app: App) -> Result<u64, AppError> {
    let before = app.clock().now().minus(7 * DAY);
    drain(&app, || sessions::purge(before, BATCH).to_vec()).await
}

async fn old_work(app: App) -> Result<u64, AppError> {
    let before = app.clock().now().minus(30 * DAY);
    drain(&app, || vec![outbox::purge(before, BATCH)]).await
}

async fn old_outputs(app: App) -> Result<u64, AppError> {
    let before = app.clock().now().minus(7 * DAY);
    drain(&app, || vec![jobs::purge_output(before, BATCH)]).await
}
