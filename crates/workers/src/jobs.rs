//! The job runner: one job at a time per slot, each with its own context, budget and progress; a panic stays inside.
//!
//! Memory is bounded by what a job may be given and may produce: see the kinds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use app::{
    App, AppError, Ctx,
    jobs::{ENDED, PROGRESSED, Task},
};
use db::{DbError, Meter, Scope, Step};
use domain::{
    caller::{Caller, Credential},
    identity::Role,
    ids::{ApiKeyId, OutboxId},
    problem::ErrorCode,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use store::{
    bind,
    jobs::{self, Job},
    members, records, workspaces,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Does jobs of one kind. A job may be begun again after a crash: it begins by removing what it left.
pub trait JobHandler: Send + Sync + 'static {
    /// The kind.
    fn kind(&self) -> &'static str;
    /// Does the job; what it answers is the job's result. Dropped when the job is cancelled or its time is over.
    fn run(&self, call: JobCall) -> BoxFuture<'static, Result<Value, AppError>>;
}

/// What a job is given.
pub struct JobCall {
    /// The use cases.
    pub app: App,
    /// The island it runs on: the user who asked for it, with the rights that user has now.
    pub ctx: Ctx,
    /// The job.
    pub job: Job,
    /// What it was asked to do.
    pub task: Task,
    /// Where it notes how far it is.
    pub progress: Progress,
}

/// How far a job is; written down and told with its next sign of life.
#[derive(Clone, Default)]
pub struct Progress(Arc<Steps>);

#[derive(Default)]
struct Steps {
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Notes how many things are done.
    pub fn set(&self, done: u64) {
        self.0.done.store(done, Ordering::Relaxed);
    }

    /// Notes how many there will be.
    pub fn expect(&self, total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
    }

    fn json(&self) -> Value {
        let done = self.0.done.load(Ordering::Relaxed);
        match self.0.total.load(Ordering::Relaxed) {
            0 => json!({ "done": done }),
            total => json!({ "done": done, "total": total }),
        }
    }
}

/// The error of a handler that was given a task of another kind.
#[must_use]
pub fn wrong_task(job: &Job) -> AppError {
    let message = format!("the job is of the kind `{}` and its task is not", job.kind);
    AppError::new(ErrorCode::Internal, message)
}

/// The pace and bounds of jobs.
#[derive(Clone, Debug)]
pub struct JobConfig {
    /// Jobs that run at once in this process. Default: 4.
    pub slots: usize,
    /// Jobs of one user that run at once, in all processes. Default: 5.
    pub per_user: u32,
    /// How long a lease lasts without a sign of life. Default: 30 s.
    pub lease: Duration,
    /// Time between two looks for jobs. Default: 500 ms.
    pub poll: Duration,
    /// Longest time one job may take. Default: 15 min.
    pub budget: Duration,
    /// How often a job is begun before it is given up. Default: 3.
    pub attempts: u64,
}

impl Default for JobConfig {
    fn default() -> Self {
        Self {
            slots: 4,
            per_user: app::jobs::MAX_RUNNING,
            lease: Duration::from_secs(30),
            poll: Duration::from_millis(500),
            budget: Duration::from_secs(15 * 60),
            attempts: 3,
        }
    }
}

/// How a job ended.
enum End {
    Completed(Value),
    Failed(String),
    Cancelled,
    /// The process stops: another one begins the job again.
    Released,
    /// Another process has taken the job over.
    Lost,
}

/// Runs jobs. Several may run at once, in one process or many.
#[derive(Clone)]
pub struct JobRunner {
    app: App,
    config: JobConfig,
    handlers: Vec<Arc<dyn JobHandler>>,
}

impl JobRunner {
    /// A runner for these kinds.
    #[must_use]
    pub fn new(app: &App, config: JobConfig, handlers: Vec<Arc<dyn JobHandler>>) -> Self {
        Self {
            app: app.clone(),
            config,
            handlers,
        }
    }

    /// Runs jobs until the stop; those under way are given back then, for another process or the next start.
    pub async fn run(&self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            while running.try_join_next().is_some() {}
            while running.len() < self.config.slots && !stop.is_cancelled() {
                match self.lease().await {
                    Ok(Some((job, owner))) => {
                        let (runner, stop) = (self.clone(), stop.clone());
                        running.spawn(async move { runner.carry_out(job, owner, stop).await });
                    }
                    Ok(None) => break,
                    Err(error) => {
                        warn!(%error, "could not look for jobs");
                        break;
                    }
                }
            }
            crate::pause(&stop, self.config.poll).await;
        }
        while running.join_next().await.is_some() {}
    }

    /// Takes one job and carries it out; tells whether there was one.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn run_once(&self) -> Result<bool, DbError> {
        let Some((job, owner)) = self.lease().await? else {
            return Ok(false);
        };
        self.carry_out(job, owner, CancellationToken::new()).await;
        Ok(true)
    }

    async fn lease(&self) -> Result<Option<(Job, String)>, DbError> {
        let owner = self.app.id_source().uuid().to_string();
        let now = self.app.clock().now();
        let kinds = self
            .handlers
            .iter()
            .map(|handler| handler.kind().to_owned())
            .collect();
        let until = now.plus(self.config.lease);
        let job = jobs::lease(self.app.db(), &owner, until, now, kinds, self.config.per_user).await?;
        Ok(job.map(|job| (job, owner)))
    }

    async fn carry_out(&self, job: Job, owner: String, stop: CancellationToken) {
        let progress = Progress::default();
        let end = self.run_job(&job, &owner, &progress, &stop).await;
        if let Err(error) = self.settle(&job, &owner, &progress, end).await {
            warn!(%error, job = %job.id, "could not note how a job ended; its lease will expire");
        }
    }

    async fn run_job(&self, job: &Job, owner: &str, progress: &Progress, stop: &CancellationToken) -> End {
        if job.cancel_requested {
            return End::Cancelled;
        }
        if job.attempts > self.config.attempts {
            return End::Failed(format!(
                "it was begun {} times and its process stopped each time",
                self.config.attempts
            ));
        }
        let Some(handler) = self.handlers.iter().find(|handler| handler.kind() == job.kind) else {
            return End::Failed(format!("this release knows no jobs of the kind `{}`", job.kind));
        };
        let (ctx, task) = match self.given(job).await {
            Ok(given) => given,
            Err(error) => return End::Failed(error.to_string()),
        };
        let call = JobCall {
            app: self.app.clone(),
            ctx,
            job: job.clone(),
            task,
            progress: progress.clone(),
        };
        // A task of its own: its panic is an error here. Aborted when this future ends.
        let mut task = JoinSet::new();
        task.spawn(handler.run(call));
        tokio::select! {
            ended = task.join_next() => match ended {
                Some(Ok(Ok(result))) => End::Completed(result),
                Some(Ok(Err(error))) => End::Failed(error.to_string()),
                Some(Err(_)) | None => End::Failed("the job panicked; report its id".to_owned()),
            },
            end = self.watch(job, owner, progress) => end,
            () = stop.cancelled() => End::Released,
            () = tokio::time::sleep(self.config.budget) => {
                End::Failed(format!("it took longer than the {} s a job may take", self.config.budget.as_secs()))
            }
        }
    }

    /// Keeps the lease alive, notes progress and tells it, until the job should end.
    async fn watch(&self, job: &Job, owner: &str, progress: &Progress) -> End {
        let mut told = Progress::default().json();
        loop {
            tokio::time::sleep((self.config.lease / 3).min(Duration::from_secs(2))).await;
            let now = self.app.clock().now();
            let (until, reached) = (now.plus(self.config.lease), progress.json());
            let noted = bind::json(&reached);
            match jobs::renew(self.app.db(), job, owner, until, Some(noted), now).await {
                Ok(Some(true)) => return End::Cancelled,
                Ok(Some(false)) if reached != told => {
                    self.tell(job, &reached).await;
                    told = reached;
                }
                Ok(Some(false)) => {}
                Ok(None) => return End::Lost,
                Err(error) => warn!(%error, job = %job.id, "could not prolong a job's lease"),
            }
        }
    }

    /// Tells how far the job is. Not to be told is no reason to end it.
    async fn tell(&self, job: &Job, reached: &Value) {
        let step = self.told(job, PROGRESSED, "running", reached);
        let scope = Scope::workspace(job.workspace.uuid());
        match self.app.db().run(&scope, vec![step]).await {
            Ok(_) => self.app.outbox_signal().notify_one(),
            Err(error) => warn!(%error, job = %job.id, "could not tell how far a job is"),
        }
    }

    fn told(&self, job: &Job, topic: &str, state: &str, reached: &Value) -> Step {
        let payload = app::jobs::told(job, state, reached);
        let id = OutboxId::generate(&**self.app.id_source());
        let now = self.app.clock().now();
        records::insert_outbox(job.workspace, id, topic, bind::json(&payload), now)
    }

    /// The island the job runs on, and its task.
    async fn given(&self, job: &Job) -> Result<(Ctx, Task), AppError> {
        let mut ctx = self.context(job).await?;
        let task = self.app.job_task(&ctx, job).await?;
        let scopes = vec![task.needs()];
        ctx.caller.credential = Credential::ApiKey(ApiKeyId::from(job.id.uuid()), scopes);
        Ok((ctx, task))
    }

    /// The user who asked, with the role of this moment; who may not start jobs any more runs none either.
    async fn context(&self, job: &Job) -> Result<Ctx, AppError> {
        // Memberships and workspaces are read before the job's own scope can be known to hold.
        let scope = Scope::system();
        let db = self.app.db().scoped(&scope);
        let gone = || AppError::forbidden("who asked for the job may not run jobs in the workspace any more");
        let member = members::find(&db, job.workspace, job.created_by)
            .await?
            .filter(|member| member.status.may_act() && member.role >= Role::Member)
            .ok_or_else(gone)?;
        let workspace = workspaces::find(&db, job.workspace).await?.ok_or_else(gone)?;
        Ok(Ctx {
            caller: Caller {
                user_id: job.created_by,
                workspace_id: job.workspace,
                role: member.role,
                tier: workspace.tier,
                platform_admin: false,
                credential: Credential::ApiKey(ApiKeyId::from(job.id.uuid()), Vec::new()),
            },
            address: "job".to_owned(),
            request_id: job.id.to_string(),
            meter: Meter::counting(),
        })
    }

    async fn settle(&self, job: &Job, owner: &str, progress: &Progress, end: End) -> Result<(), AppError> {
        let now = self.app.clock().now();
        let (state, result, error) = match end {
            End::Lost => return Ok(()),
            End::Released => {
                let scope = Scope::workspace(job.workspace.uuid());
                self.app
                    .db()
                    .run(&scope, vec![jobs::release(job, owner, now)])
                    .await?;
                return Ok(());
            }
            End::Completed(result) => ("completed", Some(bind::json(&result)), None),
            End::Failed(why) => ("failed", None, Some(why)),
            End::Cancelled => ("cancelled", None, None),
        };
        let reached = progress.json();
        let ending = jobs::Ending {
            state,
            result,
            error: error.as_deref(),
            progress: bind::json(&reached),
        };
        let steps = vec![
            jobs::finish(job, owner, ending, now),
            self.told(job, ENDED, state, &reached),
        ];
        let scope = Scope::workspace(job.workspace.uuid());
        self.app.end_job(&scope, job, steps).await.map(drop)
    }
}
