//! Importing local items from a table or lines, as a job: what a row says, and what came of it.
//!
//! Rows are read by [`crate::import`], as `farmgate import --keep-other-columns` does. A row without a local id gets one
//! that follows from its content, so the same row twice, in one file or by a retry, stays one item.

use domain::problem::{ErrorCode, FieldError};
use serde::{Deserialize, Serialize};

use crate::{
    App, AppError, Ctx, Result,
    events::export::Format,
    import::{self, Item, Row},
    local_items::{NewLocalItem, check_content},
};

/// Largest content of one import, in bytes.
pub const MAX_CONTENT: usize = 4 * 1024 * 1024;
/// Most rows of one import.
const MAX_ROWS: usize = 50_000;

/// What to import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportTask {
    /// The form of the content.
    pub format: Format,
    /// The table or the lines.
    pub content: String,
}

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// A new local item.
    Created,
    /// The very item was there.
    Unchanged,
}

impl ImportTask {
    /// Checks what can be told before the job runs.
    ///
    /// # Errors
    /// Invalid if there is no content or too much of it.
    pub fn check(&self) -> Result<()> {
        let wrong = |code, message: String| Err(FieldError::new("content", code, message).into());
        if self.content.trim().is_empty() {
            return wrong("required", "an import needs the rows to import".to_owned());
        }
        if self.content.len() > MAX_CONTENT {
            return wrong(
                "too_long",
                format!("must be at most {MAX_CONTENT} bytes: split it"),
            );
        }
        Ok(())
    }

    /// The rows, in order.
    ///
    /// # Errors
    /// Invalid if the table has no header that can be read, or there are too many rows.
    pub fn rows(&self) -> Result<Vec<Row<Item>>> {
        let wrong = |code, message: String| FieldError::new("content", code, message);
        let mut rows = Vec::new();
        let mut keep = |row| {
            rows.push(row);
            rows.len() <= MAX_ROWS
        };
        import::read(self.format, self.content.as_bytes(), true, &mut keep)
            .map_err(|error| wrong("malformed", error.to_string()))?;
        if rows.len() > MAX_ROWS {
            let message = format!("has more than {MAX_ROWS} rows: split it");
            return Err(wrong("too_long", message).into());
        }
        Ok(rows)
    }
}

impl App {
    /// Imports a row.
    ///
    /// # Errors
    /// Broken rules by field; conflict if another item has the row's local id.
    pub async fn import_row(&self, ctx: &Ctx, item: &Item) -> Result<Imported> {
        let new = NewLocalItem {
            local_id: Some(item.local_id.clone()),
            identifiers: item.identifiers.clone(),
            enriched_data: Some(item.data.clone()),
        };
        match self.create_local_item(ctx, new).await {
            Ok(_) => Ok(Imported::Created),
            Err(AppError {
                code: ErrorCode::Conflict,
                ..
            }) => {
                let known = self.local_item(ctx, &item.local_id).await?;
                if known.content == check_content(&item.identifiers, Some(item.data.clone()))? {
                    return Ok(Imported::Unchanged);
                }
                let message = format!("another item has the local id `{}`", item.local_id);
                Err(FieldError::new("local_id", "taken", message).into())
            }
            Err(error) => Err(error),
        }
    }
}
