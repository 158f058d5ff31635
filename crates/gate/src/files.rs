//! Reading what people write: scenario and configuration text, rows of variables. Bounded, and with the place of what is
//! wrong. What the content means is decided in `setup` and `config`.

use std::path::Path;

use scenario::Value;

use crate::load::Rows;
use crate::setup::{SetupError, failed};

/// Largest scenario or configuration that is read.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// Reads a file that people write: UTF-8, and of a bounded size.
///
/// # Errors
/// With the name of the file; if it is not UTF-8, with line and column of the first byte that is none.
pub fn read_text(path: &Path) -> Result<String, SetupError> {
    let name = path.display();
    let bad = |e: std::io::Error| failed(format!("{name}: {e}"));
    // farmgate: allow(blocking-fs) because files are read before the first request is sent
    let facts = std::fs::metadata(path).map_err(bad)?;
    if !facts.is_file() {
        return Err(failed(format!("{name}: this is a folder or device, not a file")));
    }
    if facts.len() > MAX_TEXT {
        return Err(failed(format!(
            "{name}: larger than {} MiB, which nobody writes by hand",
            MAX_TEXT >> 20
        )));
    }
    // farmgate: allow(blocking-fs) because files are read before the first request is sent
    let bytes = std::fs::read(path).map_err(bad)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let (line, column) = (
            good.matches('\n').count() + 1,
            good.chars().rev().take_while(|c| *c != '\n').count() + 1,
        );
        failed(format!(
            "{name}:{line}:{column}: not UTF-8 from here on; save the file as UTF-8 text"
        ))
    })
}

/// Rows of variables from a CSV file with a head line, or a JSON array of objects.
///
/// # Errors
/// If the file cannot be read, or holds no row.
pub fn read_rows(path: &Path) -> Result<Rows, SetupError> {
    let bad = |e: &dyn std::fmt::Display| failed(format!("{}: {e}", path.display()));
    // farmgate: allow(blocking-fs) because files are read before the first request is sent
    if !std::fs::metadata(path).map_err(|e| bad(&e))?.is_file() {
        return Err(bad(&"this is a folder or device, not a file"));
    }
    let is_json = path.extension().is_some_and(|e| e == "json");
    let rows = if is_json {
        json_rows(path).map_err(|e| bad(&e))?
    } else {
        csv_rows(path).map_err(|e| bad(&e))?
    };
    if rows.is_empty() {
        Err(bad(&"the data file has no rows"))
    } else {
        Ok(Rows::new(rows))
    }
}

type RowList = Vec<Vec<(String, Value)>>;

fn json_rows(path: &Path) -> Result<RowList, Box<dyn std::error::Error>> {
    // farmgate: allow(blocking-fs) because files are read before the first request is sent
    let text = std::fs::read_to_string(path)?;
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&text)?;
    let text_of = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let convert = |row: serde_json::Map<_, _>| {
        row.into_iter()
            .map(|(k, v)| (k, Value::String(text_of(v))))
            .collect()
    };
    Ok(rows.into_iter().map(convert).collect())
}

fn csv_rows(path: &Path) -> Result<RowList, csv::Error> {
    let mut reader = csv::Reader::from_path(path)?;
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let row = names
            .iter()
            .zip(&record)
            .map(|(name, value)| (name.clone(), Value::String(value.to_owned())));
        rows.push(row.collect());
    }
    Ok(rows)
}
