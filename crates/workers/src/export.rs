//! The job that writes a workspace's events as a file, piece by piece.

use app::{
    AppError,
    events::{EventQuery, export::Export},
    jobs::{ExportTask, Task},
};
use domain::problem::ErrorCode;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use store::jobs;

use crate::jobs::{JobCall, JobHandler, wrong_task};

/// Most bytes one export may produce.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Exports events.
pub struct ExportJob;

impl JobHandler for ExportJob {
    fn kind(&self) -> &'static str {
        "export"
    }

    fn run(&self, call: JobCall) -> BoxFuture<'static, Result<Value, AppError>> {
        Box::pin(async move {
            match &call.task {
                Task::Export(task) => export(&call, task.clone()).await,
                Task::Import(_) => Err(wrong_task(&call.job)),
            }
        })
    }
}

async fn export(call: &JobCall, task: ExportTask) -> Result<Value, AppError> {
    let query = EventQuery {
        event_type: task.event_type,
        from: task.from,
        to: task.to,
        ..EventQuery::default()
    };
    let mut export = Export::new(query, task.format);
    let (workspace, id, scope) = (call.job.workspace, call.job.id, call.ctx.scope());
    // An earlier attempt may have left pieces.
    call.app
        .db()
        .run(&scope, vec![jobs::delete_output(workspace, id)])
        .await?;
    let (mut pieces, mut bytes) = (0_u32, 0);
    while let Some(text) = export.next(&call.app, &call.ctx).await? {
        bytes += text.len();
        if bytes > MAX_BYTES {
            let message = format!("the export exceeds {MAX_BYTES} bytes: narrow it by type or time");
            return Err(AppError::new(ErrorCode::LimitExceeded, message));
        }
        call.app
            .db()
            .run(&scope, vec![jobs::insert_output(workspace, id, pieces, text)])
            .await?;
        pieces += 1;
        call.progress.set(export.written);
    }
    Ok(json!({ "events": export.written, "bytes": bytes, "pieces": pieces }))
}
