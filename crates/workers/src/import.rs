//! The job that imports local items, row by row: one that is broken stops no other.

use app::{
    AppError,
    import::{Fault, Item, Row},
    jobs::{
        Task,
        import::{ImportTask, Imported},
    },
};
use domain::problem::ErrorCode;
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
    fn failed(&mut self, row: u64, faults: Vec<Fault>) {
        self.failed += 1;
        let room = MOST_ERRORS - self.errors.len();
        let named = faults.into_iter().take(room);
        self.errors.extend(
            named.map(|Fault { field, message }| json!({"row": row, "field": field, "message": message})),
        );
    }
}

async fn import(call: &JobCall, task: &ImportTask) -> Result<Value, AppError> {
    let rows = task.rows()?;
    let (total, mut tally) = (rows.len() as u64, Tally::default());
    call.progress.expect(total);
    for row in rows {
        let number = row.number;
        one(call, row, &mut tally).await?;
        call.progress.set(number);
    }
    Ok(json!({
        "rows": total, "created": tally.created, "unchanged": tally.unchanged, "failed": tally.failed,
        "errors": tally.errors,
    }))
}

/// A row that breaks rules is noted; what stops every further row too, such as a used-up limit, ends the job.
async fn one(call: &JobCall, row: Row<Item>, tally: &mut Tally) -> Result<(), AppError> {
    let number = row.number;
    let item = match row.content {
        Ok(item) => item,
        Err(faults) => {
            tally.failed(number, faults);
            return Ok(());
        }
    };
    match call.app.import_row(&call.ctx, &item).await {
        Ok(Imported::Created) => tally.created += 1,
        Ok(Imported::Unchanged) => tally.unchanged += 1,
        Err(error) if error.code == ErrorCode::ValidationFailed => {
            tally.failed(number, item.faults(&error.fields));
        }
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
