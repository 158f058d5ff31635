//! Jobs: asking for longer work, looking at it, ending it, beginning it again. Running them is the workers' business.

pub mod import;

use db::Scope;
use domain::{
    credits::CostedOperation,
    identity::ApiScope,
    ids::{JobId, OutboxId},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, Extension, FieldError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    Step, bind,
    jobs::{self, Job, JobFilter},
};

use self::import::ImportTask;
use crate::{App, AppError, Ctx, Result, events::export::Format};

/// Jobs of one user that may wait or run at once.
pub const MAX_OPEN: u64 = 100;
/// Jobs of one user that run at once; the others wait.
pub const MAX_RUNNING: u32 = 5;
/// Topic of the outbox row that an ended job leaves.
pub const ENDED: &str = "job.ended";
/// Topic of the outbox row that a job leaves when it has got further.
pub const PROGRESSED: &str = "job.progressed";

/// What a job is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Task {
    /// Writes the workspace's events as a file.
    Export(ExportTask),
    /// Makes local items of a file's rows.
    Import(ImportTask),
}

/// Which events, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportTask {
    /// The form of the file.
    pub format: Format,
    /// Only events of this type.
    pub event_type: Option<String>,
    /// From when.
    pub from: Option<domain::ids::Timestamp>,
    /// Before when.
    pub to: Option<domain::ids::Timestamp>,
}

impl Task {
    /// The word for the kind of work.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Export(_) => "export",
            Self::Import(_) => "import",
        }
    }

    /// The scope that an API key needs besides that for jobs: a job is no way around the key's limits.
    #[must_use]
    pub const fn needs(&self) -> ApiScope {
        match self {
            Self::Export(_) => ApiScope::EventsRead,
            Self::Import(_) => ApiScope::ItemsWrite,
        }
    }

    /// What asking for it costs. The rows of an import cost what making local items costs, each for itself.
    const fn costs(&self) -> Option<CostedOperation> {
        match self {
            Self::Export(_) => Some(CostedOperation::Export),
            Self::Import(_) => None,
        }
    }

    fn check(&self, ctx: &Ctx) -> Result<()> {
        if !ctx.caller.has_scope(self.needs()) {
            let needs = format!("the API key lacks the scope `{}`", self.needs().as_str());
            return Err(AppError::forbidden(needs));
        }
        match self {
            Self::Export(_) => Ok(()),
            Self::Import(task) => task.check(),
        }
    }
}

impl App {
    /// Asks for a job on the caller's behalf. It runs in the caller's workspace, with no more rights than its user has.
    ///
    /// # Errors
    /// Limit exceeded if too many of the user's jobs have not ended; insufficient credits; forbidden to a key without
    /// the task's own scope.
    pub async fn start_job(&self, ctx: &Ctx, task: &Task) -> Result<Job> {
        task.check(ctx)?;
        let scope = ctx.scope();
        let open = jobs::open_of(&self.db().scoped(&scope), ctx.workspace(), ctx.user()).await?;
        if open >= MAX_OPEN {
            let error = AppError::new(
                ErrorCode::LimitExceeded,
                "too many of your jobs have not ended; wait or cancel some",
            );
            return Err(error
                .with(Extension::Limit, "open_jobs")
                .with(Extension::Used, open)
                .with(Extension::Allowed, MAX_OPEN));
        }
        let (id, now) = (JobId::generate(self.ids()), self.now());
        let progress = bind::json(&json!({}));
        let step = jobs::insert(
            ctx.workspace(),
            id,
            task.kind(),
            bind::json(task),
            progress,
            ctx.user(),
            now,
        );
        let steps = [vec![step], self.price_of_job(ctx, task, id)?].concat();
        match self.db().run(&scope, steps).await {
            Ok(_) => self.job(ctx, id).await,
            Err(error) => Err(self.not_paid(ctx, task, error.into()).await),
        }
    }

    /// The steps that pay for a job in the unit of work that asks for it; none if it costs nothing.
    fn price_of_job(&self, ctx: &Ctx, task: &Task, id: JobId) -> Result<Vec<Step>> {
        let Some(costed) = task.costs() else {
            return Ok(Vec::new());
        };
        let debit = self.credits().debit(ctx, costed, 1, &id.to_string())?;
        Ok(debit.map_or_else(Vec::new, |debit| debit.steps))
    }

    async fn not_paid(&self, ctx: &Ctx, task: &Task, error: AppError) -> AppError {
        match task.costs() {
            Some(costed) => self.credits().explain_refusal(ctx, costed, error).await,
            None => error,
        }
    }

    /// Reads a job of the workspace.
    ///
    /// # Errors
    /// Not found if there is none.
    pub async fn job(&self, ctx: &Ctx, id: JobId) -> Result<Job> {
        let scope = ctx.scope();
        let found = jobs::find(&self.db().scoped(&scope), ctx.workspace(), id).await?;
        found.ok_or_else(|| AppError::not_found("job"))
    }

    /// Lists the workspace's jobs, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn jobs(&self, ctx: &Ctx, filter: &JobFilter, page: &PageRequest) -> Result<Page<Job>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.scope();
        let rows = jobs::list(&self.db().scoped(&scope), ctx.workspace(), filter, after, page).await?;
        Ok(Page::cut(rows, page, |job| Cursor::new("", job.id)))
    }

    /// Counts what [`Self::jobs`] lists.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn count_jobs(&self, ctx: &Ctx, filter: &JobFilter) -> Result<u64> {
        let scope = ctx.scope();
        Ok(jobs::count(&self.db().scoped(&scope), ctx.workspace(), filter).await?)
    }

    /// Ends a job: one that waits at once, one that runs at its next step. What it cost goes back when it has ended.
    ///
    /// # Errors
    /// Invalid transition if it has ended.
    pub async fn cancel_job(&self, ctx: &Ctx, id: JobId) -> Result<Job> {
        let job = self.own_job(ctx, id).await?;
        let (outbox, now) = (OutboxId::generate(self.ids()), self.now());
        let told = bind::json(&told(&job, "cancelled", &job.progress));
        let steps = vec![
            jobs::cancel(ctx.workspace(), id, now),
            jobs::tell_cancelled(&job, outbox, ENDED, told, now),
        ];
        if !self.end_job(&ctx.scope(), &job, steps).await? {
            return Err(ended(&job.state));
        }
        self.job(ctx, id).await
    }

    /// Ends a job by a unit of work whose first step changes the job's row. If nothing came of the job, what it cost
    /// goes back with it. Tells whether the first step found the job as it was believed to be; if not, nothing happens.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn end_job(&self, scope: &Scope, job: &Job, steps: Vec<Step>) -> Result<bool> {
        let tx = self.db().begin(scope).await?;
        if tx.pipeline(steps).await?.first() != Some(&1) {
            tx.rollback().await;
            return Ok(false);
        }
        self.credits().refund_job(&tx, job).await?;
        tx.commit().await?;
        self.wake_outbox();
        Ok(true)
    }

    /// Begins a failed or cancelled job again, and pays for it again.
    ///
    /// # Errors
    /// Invalid transition in any other state; insufficient credits.
    pub async fn retry_job(&self, ctx: &Ctx, id: JobId) -> Result<Job> {
        let job = self.own_job(ctx, id).await?;
        let step = jobs::retry(ctx.workspace(), id, bind::json(&json!({})), self.now());
        let message = format!(
            "only failed and cancelled jobs can be retried; this one is {}",
            job.state
        );
        let otherwise = AppError::new(ErrorCode::InvalidTransition, message);
        let task = self.job_task(ctx, &job).await?;
        let steps = [vec![step], self.price_of_job(ctx, &task, id)?].concat();
        match self.run_if_first(&ctx.scope(), steps, otherwise).await {
            Ok(()) => self.job(ctx, id).await,
            Err(error) => Err(self.not_paid(ctx, &task, error).await),
        }
    }

    /// Reads a piece of what a completed job produced; nothing after the last.
    ///
    /// # Errors
    /// Invalid transition if the job has not completed.
    pub async fn job_output(&self, ctx: &Ctx, id: JobId, piece: u32) -> Result<Option<Vec<u8>>> {
        let scope = ctx.scope();
        Ok(jobs::output(&self.db().scoped(&scope), ctx.workspace(), id, piece).await?)
    }

    /// A job that this caller may steer: its own, or any as an administrator of the workspace.
    async fn own_job(&self, ctx: &Ctx, id: JobId) -> Result<Job> {
        let job = self.job(ctx, id).await?;
        if job.created_by == ctx.user() || ctx.caller.role >= domain::identity::Role::Admin {
            return Ok(job);
        }
        Err(AppError::forbidden(
            "only who asked for a job, or an administrator of the workspace, may steer it",
        ))
    }

    /// The completed job whose output is wanted.
    ///
    /// # Errors
    /// Forbidden for a job of somebody else; invalid transition before it has completed.
    pub async fn completed_job(&self, ctx: &Ctx, id: JobId) -> Result<(Job, Task)> {
        let job = self.own_job(ctx, id).await?;
        if job.state != "completed" {
            let message = format!("the job has produced nothing yet; it is {}", job.state);
            return Err(AppError::new(ErrorCode::InvalidTransition, message));
        }
        let task = self.job_task(ctx, &job).await?;
        task.check(ctx)?;
        Ok((job, task))
    }

    /// What a job of the workspace was asked to do.
    ///
    /// # Errors
    /// If another release wrote it and this one can't read it.
    pub async fn job_task(&self, ctx: &Ctx, job: &Job) -> Result<Task> {
        let scope = ctx.scope();
        let payload = jobs::payload(&self.db().scoped(&scope), ctx.workspace(), job.id).await?;
        serde_json::from_value::<Task>(payload).map_err(|error| {
            let message = format!("is no task of the kind `{}`: {error}", job.kind);
            FieldError::new("payload", "malformed", message).into()
        })
    }
}

/// What listeners are told of a job: its state, and how far it is.
#[must_use]
pub fn told(job: &Job, state: &str, reached: &Value) -> Value {
    json!({
        "id": job.id, "kind": job.kind, "state": state, "user_id": job.created_by, "progress": reached,
    })
}

fn ended(state: &str) -> AppError {
    AppError::new(
        ErrorCode::InvalidTransition,
        format!("the job has ended: it is {state}"),
    )
}
