//! Jobs: longer work on the caller's behalf.

use app::{
    events::export::Format,
    jobs::{ExportTask, Task, import::ImportTask},
};
use axum::{extract::State, response::Response};
use domain::{
    identity::ApiScope,
    ids::{JobId, Timestamp, UserId},
    problem::{ErrorCode, FieldError},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::jobs::{Job, JobFilter};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Created, Ctx, Json, List, Listing, Operation, Path, Policy, Routes,
    answer::pieces,
    platform::{Platform, context},
    routes::schema::FormatWord,
};

const TAG: &str = "jobs";
/// Largest body: the content of an import, escaped as JSON, and what stands around it.
const MAX_BODY: usize = 9 * 1024 * 1024;

/// The routes under `/api/jobs`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/jobs",
            Policy::member(ApiScope::JobsWrite).body_limit(MAX_BODY),
            Operation::new(TAG, "Starts a job: an export of the workspace's events, or an import of local items")
                .description(
                    "An API key also needs `events:read` for an export and `items:write` for an import. Rows of an \
                     import: in CSV (commas, semicolons or tabs), columns named after a registry hold canonical \
                     identifiers, `identifier.NAME` contextual ones, `namespace` that of the row's identifiers, \
                     `local_id` the item's own name, `data.NAME` and all others data; in JSON lines, each is what \
                     `POST /api/items/local` takes. A row that breaks rules, or says nothing but its name, stops no \
                     other.",
                )
                .body::<StartBody>()
                .returns::<JobView>(201)
                .problems(&[ErrorCode::LimitExceeded, ErrorCode::InsufficientCredits]),
            start,
        )
        .merge(reading())
        .merge(steering())
}

/// The routes that show jobs and what they produced.
fn reading() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/jobs",
            Policy::viewer(ApiScope::JobsRead),
            Operation::new(TAG, "Lists jobs, newest first")
                .query::<Filter>()
                .returns_page::<JobView>(),
            list,
        )
        .get(
            "/api/jobs/{job_id}",
            Policy::viewer(ApiScope::JobsRead),
            Operation::new(TAG, "Reads a job")
                .returns::<JobView>(200)
                .problems(&[ErrorCode::NotFound]),
            get,
        )
        .get(
            "/api/jobs/{job_id}/output",
            Policy::viewer(ApiScope::JobsRead),
            Operation::new(TAG, "Streams what a completed job produced; kept for seven days")
                .returns_media(200, "text/csv")
                .returns_media(200, "application/x-ndjson")
                .problems(&[ErrorCode::NotFound, ErrorCode::InvalidTransition, ErrorCode::Gone]),
            output,
        )
}

/// The routes that end a job or begin it again.
fn steering() -> Routes<Platform> {
    let steered = |what: &'static str| {
        Operation::new(TAG, what)
            .returns::<JobView>(200)
            .problems(&[ErrorCode::NotFound, ErrorCode::InvalidTransition])
    };
    Routes::new()
        .post(
            "/api/jobs/{job_id}/cancel",
            Policy::member(ApiScope::JobsWrite),
            steered("Ends a job"),
            cancel,
        )
        .post(
            "/api/jobs/{job_id}/retry",
            Policy::member(ApiScope::JobsWrite),
            steered("Begins a failed or cancelled job again")
                .description(
                    "What the job costs is paid again: it went back when the job failed or was cancelled.",
                )
                .problems(&[ErrorCode::InsufficientCredits]),
            retry,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartBody {
    kind: KindWord,
    /// `csv` when absent.
    #[schema(value_type = Option<FormatWord>)]
    format: Option<Format>,
    /// The rows to import, at most 4 MiB.
    content: Option<String>,
    /// Export only events of this type.
    event_type: Option<String>,
    /// Export events from when.
    #[schema(value_type = Option<String>, format = "date-time")]
    from: Option<Timestamp>,
    /// Export events before when.
    #[schema(value_type = Option<String>, format = "date-time")]
    to: Option<Timestamp>,
}

/// What a job does.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = JobKind)]
#[serde(rename_all = "snake_case")]
enum KindWord {
    /// Writes events as a file.
    Export,
    /// Makes local items of rows.
    Import,
}

impl StartBody {
    /// The task; what belongs to another kind is an error, not ignored.
    fn into_task(self) -> Result<Task, ApiError> {
        let strange: Vec<_> = match self.kind {
            KindWord::Export => vec![("content", self.content.is_some())],
            KindWord::Import => vec![
                ("event_type", self.event_type.is_some()),
                ("from", self.from.is_some()),
                ("to", self.to.is_some()),
            ],
        };
        let errors: Vec<_> = strange
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(field, _)| FieldError::new(field, "not_applicable", "belongs to another kind of job"))
            .collect();
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let format = self.format.unwrap_or(Format::Csv);
        Ok(match self.kind {
            KindWord::Export => Task::Export(ExportTask {
                format,
                event_type: self.event_type,
                from: self.from,
                to: self.to,
            }),
            KindWord::Import => Task::Import(ImportTask {
                format,
                content: self.content.unwrap_or_default(),
            }),
        })
    }
}

#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    /// `waiting`, `running`, `completed`, `failed` or `cancelled`.
    state: Option<String>,
    /// The kind.
    kind: Option<String>,
    /// Only the caller's own.
    mine: bool,
}

#[derive(Serialize, ToSchema)]
struct JobView {
    #[schema(value_type = String, format = "uuid")]
    id: JobId,
    kind: String,
    /// `waiting`, `running`, `completed`, `failed` or `cancelled`.
    state: String,
    #[schema(value_type = Object)]
    progress: Value,
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// Why it failed.
    error: Option<String>,
    attempts: u64,
    cancel_requested: bool,
    #[schema(value_type = String, format = "uuid")]
    created_by: UserId,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state,
            progress: job.progress,
            result: job.result,
            error: job.error,
            attempts: job.attempts,
            cancel_requested: job.cancel_requested,
            created_by: job.created_by,
            created_at: job.created_at,
            updated_at: job.updated_at,
        }
    }
}

async fn start(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<StartBody>,
) -> Result<Created<JobView>, ApiError> {
    let task = body.into_task()?;
    let job = platform.app.start_job(&context(&ctx)?, &task).await?;
    Ok(Created::at(format!("/api/jobs/{}", job.id), job.into()))
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<Filter>,
) -> Result<Listing<JobView>, ApiError> {
    let context = context(&ctx)?;
    let Filter { state, kind, mine } = list.filter.clone();
    let filter = JobFilter {
        created_by: mine.then(|| context.user()),
        state,
        kind,
    };
    let page = platform.app.jobs(&context, &filter, &list.page).await?;
    let total = list.total(platform.app.count_jobs(&context, &filter)).await?;
    Ok(Listing::new(page, list.page.limit, total, JobView::from))
}

async fn get(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<JobId>,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(platform.app.job(&context(&ctx)?, id).await?.into()))
}

async fn cancel(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<JobId>,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(platform.app.cancel_job(&context(&ctx)?, id).await?.into()))
}

async fn retry(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<JobId>,
) -> Result<Json<JobView>, ApiError> {
    Ok(Json(platform.app.retry_job(&context(&ctx)?, id).await?.into()))
}

async fn output(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<JobId>,
) -> Result<Response, ApiError> {
    let context = context(&ctx)?;
    let (_, Task::Export(task)) = platform.app.completed_job(&context, id).await? else {
        let detail = "an import produces no file; what came of it stands in the job's `result`";
        return Err(ApiError::new(ErrorCode::InvalidTransition, detail));
    };
    let Some(first) = platform.app.job_output(&context, id, 0).await? else {
        return Err(ApiError::new(
            ErrorCode::Gone,
            "what the job produced has been removed: retry is a new export",
        ));
    };
    let rest = stream::unfold(
        (platform.app, context, 1),
        move |(app, context, piece)| async move {
            let text = app.job_output(&context, id, piece).await.transpose()?;
            Some((text, (app, context, piece + 1)))
        },
    );
    Ok(pieces(task.format.media_type(), first, rest))
}
