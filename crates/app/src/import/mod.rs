//! Local items as tables and lines give them: from bytes to items that keep the rules, or what is wrong with a row.
//!
//! One pass, a row at a time. The job that imports and `farmgate import` both read here, so that a file means the same
//! to both.

mod lines;
mod repeats;
mod table;

use std::io::{self, BufRead};

use domain::{canonical, identifier::NewIdentifier, nul, problem::FieldError, unique};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::{lines::Lines, repeats::Repeats};
use crate::{
    events::export::Format,
    local_items::{NewLocalItem, check_new},
};

/// Takes a row; says whether it wants another.
pub type Emit<'a> = &'a mut dyn FnMut(Row<Item>) -> bool;

/// Why nothing of a file could be understood.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes did not come.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not even a header.
    #[error("the file is empty")]
    Empty,
    /// The header is no header.
    #[error("{0}")]
    Header(String),
    /// A column that means nothing.
    #[error(
        "the column `{0}` is not known: columns are local_id, namespace, the name of a registry such as sisbov or \
         gtin, identifier.NAME and data.NAME"
    )]
    Column(String),
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Column, member or JSON pointer; empty for the whole row.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Fault {
    /// A fault of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The one fault of a whole row.
    pub fn whole(message: impl Into<String>) -> Vec<Self> {
        vec![Self::new("", message)]
    }
}

/// A row of a file: a record, a line.
#[derive(Debug)]
pub struct Row<T> {
    /// Counted from 1, without header and empty lines.
    pub number: u64,
    /// The line it begins at, in a file of lines.
    pub line: Option<u64>,
    /// Bytes of the file up to its end.
    pub end: u64,
    /// What it asks for.
    pub content: Result<T, Vec<Fault>>,
}

impl<T> Row<T> {
    /// The same row, with its content as something else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Row<U> {
        Row {
            number: self.number,
            line: self.line,
            end: self.end,
            content: self.content.map(f),
        }
    }
}

/// A local item that keeps the rules.
#[derive(Debug)]
pub struct Item {
    /// Its id: given, or following from its content, so that importing it twice makes one item.
    pub local_id: String,
    /// Its identifiers.
    pub identifiers: Vec<NewIdentifier>,
    /// Its data, an object.
    pub data: Value,
    /// The columns that the identifiers came from; empty if they came from JSON.
    columns: Vec<String>,
}

impl Item {
    /// Checks an item as the API does; `columns` are those that its identifiers came from.
    ///
    /// # Errors
    /// What is wrong, each named after the file's columns.
    pub fn new(
        local_id: Option<String>,
        identifiers: Vec<NewIdentifier>,
        data: Value,
        columns: Vec<String>,
    ) -> Result<Self, Vec<Fault>> {
        let new = NewLocalItem {
            local_id,
            identifiers,
            enriched_data: Some(data),
        };
        let refused = check_new(&new).err();
        let mut item = Self {
            local_id: String::new(),
            identifiers: new.identifiers,
            data: new.enriched_data.unwrap_or_default(),
            columns,
        };
        if let Some(refused) = refused {
            return Err(item.faults(&refused.fields));
        }
        if item.identifiers.is_empty() && item.data.as_object().is_none_or(Map::is_empty) {
            return Err(Fault::whole("holds neither an identifier nor data"));
        }
        item.local_id = match new.local_id {
            Some(given) => given,
            None => item.content_id()?,
        };
        Ok(item)
    }

    fn content_id(&self) -> Result<String, Vec<Fault>> {
        let content = json!({"identifiers": self.identifiers, "enriched_data": self.data});
        let digest = canonical::digest(&content).map_err(|error| Fault::whole(error.to_string()))?;
        Ok(format!("import:{}", &hex::encode(digest)[..32]))
    }

    /// What the API says of the item, in the file's own words.
    #[must_use]
    pub fn faults(&self, errors: &[FieldError]) -> Vec<Fault> {
        errors
            .iter()
            .map(|error| Fault::new(self.place(&error.field), &error.message))
            .collect()
    }

    /// Where in the file a field of the request came from.
    #[must_use]
    pub fn place(&self, field: &str) -> String {
        if self.columns.is_empty() {
            return field.to_owned();
        }
        let index = field
            .strip_prefix("identifiers[")
            .and_then(|rest| rest.split_once(']'))
            .and_then(|(index, _)| index.parse::<usize>().ok());
        match index.and_then(|index| self.columns.get(index)) {
            Some(column) => column.clone(),
            None => field.replacen("enriched_data.", "data.", 1),
        }
    }
}

/// Reads all rows in order; stops early if `emit` says so.
///
/// # Errors
/// If the input cannot be read, or nothing in it can be understood.
pub fn read(
    format: Format,
    input: impl BufRead,
    keep_other_columns: bool,
    emit: Emit<'_>,
) -> Result<(), ReadError> {
    let mut repeats = Repeats::default();
    let emit = &mut |row| emit(repeats.check(row));
    match format {
        Format::Csv => table::read(input, keep_other_columns, emit),
        Format::Jsonl => json_lines(input, emit),
    }
}

/// An item as a line of JSON says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    local_id: Option<String>,
    #[serde(default)]
    identifiers: Vec<NewIdentifier>,
    #[serde(default, deserialize_with = "unique::value")]
    enriched_data: Option<Value>,
}

fn json_lines(input: impl BufRead, emit: Emit<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::new(input, b"\n");
    let mut number = 0;
    while let Some(line) = lines.next()? {
        let content = match &line.bytes {
            Some(bytes) if bytes.trim_ascii().is_empty() => continue,
            Some(bytes) => json_item(bytes),
            None => Err(Fault::whole("is longer than 1 MiB")),
        };
        number += 1;
        let row = Row {
            number,
            line: Some(line.number),
            end: line.end,
            content,
        };
        if !emit(row) {
            break;
        }
    }
    Ok(())
}

fn json_item(bytes: &[u8]) -> Result<Item, Vec<Fault>> {
    std::str::from_utf8(bytes)
        .map_err(|error| Fault::whole(format!("is not UTF-8 from byte {} on", error.valid_up_to())))?;
    if let Some(error) = nul::in_json("", bytes) {
        return Err(vec![Fault::new(error.field, error.message)]);
    }
    // A list of values in the members' order would do for the library, and is nobody's item.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Fault::whole("must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let given: Given = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        // The line in this message is always 1; the row's own line is told beside it.
        let message = error
            .inner()
            .to_string()
            .replace(" at line 1 column ", " at column ");
        // The library's words for the whole and for a place it does not know.
        let known = !matches!(field.as_str(), "." | "?");
        vec![Fault::new(if known { field } else { String::new() }, message)]
    })?;
    reader
        .end()
        .map_err(|_| Fault::whole("holds more than one JSON value"))?;
    let data = given.enriched_data.unwrap_or_else(|| json!({}));
    Item::new(given.local_id, given.identifiers, data, Vec::new())
}
