//! The job that imports local items, row by row: one that is broken stops no other.

use app::{
    AppError,
    jobs::{
        Task,
        import::{ImportTask, Imported, Row},
    },
};
use domain::problem::{ErrorCode, FieldError};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::jobs::{JobCall, JobHandler, wrong_task};

/// Broken rows that the result names; the others are counted.
const MOST_ERRORS: usize = 100;

/// Imports local items.
pub struct ImportJob;

impl JobHandler for ImportJob {
    fn kind(&self) -> &'static str {
        "import"
    }

    fn run(&self, call: JobCall) -> BoxFuture<'static, Result<Value, AppError>> {
        Box::pin(async move {
            match &call.task {
                Task::Import(task) => import(&call, task).await,
                Task::Export(_) => Err(wrong_task(&call.job)),
            }
        })
    }
}

/// What came of the rows so far.
#[derive(Default)]
struct Tally {
    created: u64,
    unchanged: u64,
    failed: u64,
    errors: Vec<Value>,
}

impl Tally {
    fn failed(&mut self, row: usize, errors: &[FieldError]) {
        self.failed += 1;
        for error in errors {
            if self.errors.len() < MOST_ERRORS {
                let named = json!({"row": row, "field": error.field, "message": error.message});
                self.errors.push(named);
            }
        }
    }
}

async fn import(call: &JobCall, task: &ImportTask) -> Result<Value, AppError> {
    let rows = task.rows()?;
    let (total, mut tally) = (rows.len() as u64, Tally::default());
    call.progress.expect(total);
    for (index, row) in rows.into_iter().enumerate() {
        one(call, index + 1, row, &mut tally).await?;
        call.progress.set(index as u64 + 1);
    }
    Ok(json!({
        "rows": total, "created": tally.created, "unchanged": tally.unchanged, "failed": tally.failed,
        "errors": tally.errors,
    }))
}

/// A row that breaks rules is noted; what stops every further row too, such as a used-up limit, ends the job.
async fn one(call: &JobCall, number: usize, row: Row, tally: &mut Tally) -> Result<(), AppError> {
    let new = match row {
        Ok(new) => new,
        Err(errors) => {
            tally.failed(number, &errors);
            return Ok(());
        }
    };
    match call.app.import_row(&call.ctx, new).await {
        Ok(Imported::Created) => tally.created += 1,
        Ok(Imported::Unchanged) => tally.unchanged += 1,
        Err(error) if error.code == ErrorCode::ValidationFailed => tally.failed(number, &error.fields),
        Err(error) => {
            let message = format!(
                "row {number}: {}; {} rows before it were imported: retry goes on from there",
                error.message,
                tally.created + tally.unchanged
            );
            return Err(AppError { message, ..error });
        }
    }
    Ok(())
}
