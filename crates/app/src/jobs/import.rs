//! Importing local items from a table or lines, as a job: what a row says, and what came of it.
//!
//! The forms are those of `farmgate import`. A row without a local id gets one that follows from its content, so the same
//! row twice, in one file or by a retry, stays one item.

use domain::{
    identifier::NewIdentifier,
    problem::{ErrorCode, FieldError},
    registry::Registry,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    App, AppError, Ctx, Result,
    events::export::Format,
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

/// An item as a row gives it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    local_id: String,
    #[serde(default)]
    identifiers: Vec<NewIdentifier>,
    #[serde(default)]
    enriched_data: Option<Value>,
}

/// A row as an item, or what is wrong with it.
pub type Row = std::result::Result<NewLocalItem, Vec<FieldError>>;

impl ImportTask {
    /// Checks what can be told before the job runs.
    ///
    /// # Errors
    /// Invalid if there is no content, too much of it, or such as no database keeps.
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
        if self.content.contains('\0') {
            return wrong("malformed", "must not hold the character U+0000".to_owned());
        }
        Ok(())
    }

    /// The rows, in order.
    ///
    /// # Errors
    /// Invalid if the table has no header that can be read, or there are too many rows.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let rows = match self.format {
            Format::Csv => table(&self.content)?,
            Format::Jsonl => lines(&self.content),
        };
        if rows.len() > MAX_ROWS {
            let message = format!("has {} rows; at most {MAX_ROWS} fit into one import", rows.len());
            return Err(FieldError::new("content", "too_long", message).into());
        }
        Ok(rows)
    }
}

fn broken(field: &str, message: impl Into<String>) -> Vec<FieldError> {
    vec![FieldError::new(field, "malformed", message)]
}

fn lines(content: &str) -> Vec<Row> {
    content
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| match serde_json::from_str(line) {
            Ok(item @ Value::Object(_)) => item_of(item),
            Ok(_) => Err(broken("", "must be an object")),
            Err(error) => Err(broken("", format!("is not JSON: {error}"))),
        })
        .collect()
}

fn table(content: &str) -> Result<Vec<Row>> {
    let mut reader = csv::Reader::from_reader(content.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| {
            FieldError::new(
                "content",
                "malformed",
                format!("the header cannot be read: {error}"),
            )
        })?
        .clone();
    let rows = reader.records().map(|record| match record {
        Ok(record) => item_of(cells(&header, &record)),
        Err(error) => Err(broken("", error.to_string())),
    });
    Ok(rows.collect())
}

/// Columns named after a registry hold canonical identifiers, `identifier.NAME` contextual ones, all others data.
fn cells(header: &csv::StringRecord, record: &csv::StringRecord) -> Value {
    let (mut identifiers, mut data, mut item) = (Vec::new(), Map::new(), Map::new());
    let filled = header
        .iter()
        .zip(record)
        .filter(|(_, cell)| !cell.trim().is_empty());
    for (name, cell) in filled {
        if name == "local_id" {
            item.insert(name.to_owned(), json!(cell));
        } else if let Some(key) = name.strip_prefix("identifier.") {
            identifiers.push(json!({"key": key, "value": cell}));
        } else if Registry::from_name(name).is_ok() {
            identifiers.push(json!({"key": name, "value": cell, "registry": name}));
        } else {
            data.insert(name.to_owned(), json!(cell));
        }
    }
    item.insert("identifiers".to_owned(), Value::Array(identifiers));
    item.insert("enriched_data".to_owned(), Value::Object(data));
    Value::Object(item)
}

fn item_of(mut item: Value) -> Row {
    if item.get("local_id").is_none() {
        let text = domain::canonical::to_bytes(&item).map_err(|error| broken("", error.to_string()))?;
        let digest = hex::encode(Sha256::digest(text));
        item["local_id"] = json!(format!("import:{}", &digest[..32]));
    }
    let line: Line = serde_json::from_value(item).map_err(|error| broken("", error.to_string()))?;
    Ok(NewLocalItem {
        local_id: Some(line.local_id),
        identifiers: line.identifiers,
        enriched_data: line.enriched_data,
    })
}

impl App {
    /// Imports a row.
    ///
    /// # Errors
    /// Broken rules by field; conflict if another item has the row's local id.
    pub async fn import_row(&self, ctx: &Ctx, new: NewLocalItem) -> Result<Imported> {
        let content = check_content(&new.identifiers, new.enriched_data.clone())?;
        let local_id = new.local_id.clone().unwrap_or_default();
        match self.create_local_item(ctx, new).await {
            Ok(_) => Ok(Imported::Created),
            Err(AppError {
                code: ErrorCode::Conflict,
                ..
            }) => {
                let known = self.local_item(ctx, &local_id).await?;
                if known.content == content {
                    return Ok(Imported::Unchanged);
                }
                let message = format!("another item has the local id `{local_id}`");
                Err(FieldError::new("local_id", "taken", message).into())
            }
            Err(error) => Err(error),
        }
    }
}
