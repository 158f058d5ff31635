//! Jobs: longer work on the caller's behalf.

use app::jobs::{ExportTask, Task};
use axum::{body::Body, extract::State, response::Response};
use domain::{
    identity::ApiScope,
    ids::{JobId, Timestamp, UserId},
    problem::ErrorCode,
};
use futures_util::stream;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::jobs::{Job, JobFilter};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Created, Ctx, Json, List, Listing, Operation, Path, Policy, Routes,
    platform::{Platform, context},
};

const TAG: &str = "jobs";

/// The routes under `/api/jobs`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    let steered = |what: &'static str| {
        Operation::new(TAG, what)
            .returns::<JobView>(200)
            .problems(&[ErrorCode::NotFound, ErrorCode::InvalidTransition])
    };
    Routes::new()
        .post(
            "/api/jobs",
            Policy::member(ApiScope::JobsWrite),
            Operation::new(TAG, "Starts a job: an export of the workspace's events")
                .body::<StartBody>()
                .returns::<JobView>(201)
                .problems(&[ErrorCode::LimitExceeded]),
            start,
        )
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
        .post(
            "/api/jobs/{job_id}/cancel",
            Policy::member(ApiScope::JobsWrite),
            steered("Ends a job"),
            cancel,
        )
        .post(
            "/api/jobs/{job_id}/retry",
            Policy::member(ApiScope::JobsWrite),
            steered("Begins a failed or cancelled job again"),
            retry,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartBody {
    kind: KindWord,
    /// `csv` when absent.
    format: Option<FormatWord>,
    /// Only events of this type.
    event_type: Option<String>,
    /// From when.
    #[schema(value_type = Option<String>, format = "date-time")]
    from: Option<Timestamp>,
    /// Before when.
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
}

/// The form of a file.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[schema(as = ExportFormat)]
#[serde(rename_all = "snake_case")]
enum FormatWord {
    Csv,
    Jsonl,
}

impl From<StartBody> for Task {
    fn from(body: StartBody) -> Self {
        let KindWord::Export = body.kind;
        let format = match body.format {
            Some(FormatWord::Jsonl) => app::events::export::Format::Jsonl,
            Some(FormatWord::Csv) | None => app::events::export::Format::Csv,
        };
        Self::Export(ExportTask {
            format,
            event_type: body.event_type,
            from: body.from,
            to: body.to,
        })
    }
}

#[derive(Default, Deserialize, IntoParams)]
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
    let job = platform.app.start_job(&context(&ctx)?, &body.into()).await?;
    Ok(Created {
        location: format!("/api/jobs/{}", job.id),
        version: None,
        body: job.into(),
    })
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<Filter>,
) -> Result<Listing<JobView>, ApiError> {
    let context = context(&ctx)?;
    let Filter { state, kind, mine } = list.filter;
    let filter = JobFilter {
        created_by: mine.then(|| context.user()),
        state,
        kind,
    };
    let page = platform.app.jobs(&context, &filter, &list.page).await?;
    Ok(Listing::new(page, list.page.limit, None, JobView::from))
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
    let (_, Task::Export(task)) = platform.app.completed_job(&context, id).await?;
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
    let pieces = futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest);
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(task.format.media_type()),
    );
    Ok(response)
}
