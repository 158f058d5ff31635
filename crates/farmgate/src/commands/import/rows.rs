//! From a file to rows: items and events as the API takes them, or what is wrong with a row.
//!
//! One pass, a row at a time; only an EPCIS document is held as a whole, up to a bound. Sending stands in
//! [`super::sending`].

use std::{
    fs::File,
    io::{BufReader, Read as _},
    path::Path,
};

use anyhow::{Result, bail};
use app::local_items::{self, NewLocalItem};
use domain::{canonical, event, identifier::NewIdentifier, registry::Registry};
use epcis::{Epc, Kind};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{lines::Lines, table};

/// Largest EPCIS document, in bytes.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Form of a file.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header, then one item a line: local_id, namespace, registries such as sisbov, identifier.NAME, data.NAME
    Csv,
    /// One item a line, as `POST /api/items/local` takes it
    Jsonl,
    /// An EPCIS 2.0 JSON document
    Epcis,
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

/// A row of the file: a record, a line, an event.
#[derive(Debug)]
pub struct Row {
    /// Counted from 1, without header and empty lines.
    pub number: u64,
    /// The line it begins at, in a file of lines.
    pub line: Option<u64>,
    /// Bytes of the file up to its end.
    pub end: u64,
    /// What it asks for.
    pub content: Result<Content, Vec<Fault>>,
}

/// What a row asks for.
#[derive(Debug)]
pub enum Content {
    /// A local item.
    Item(Item),
    /// An event with the items it is about.
    Event(Event),
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

/// An event that keeps the rules.
#[derive(Debug)]
pub struct Event {
    /// The items it is about.
    pub items: Vec<Item>,
    /// The body of the request, without the items' global ids.
    pub body: Value,
    /// The id it gets if another event is stored under its own.
    pub content_id: String,
}

impl Item {
    /// Checks an item as the server would.
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
        let refused = local_items::check_new(&new).err();
        let data = new.enriched_data.unwrap_or_default();
        let mut item = Self {
            local_id: String::new(),
            identifiers: new.identifiers,
            data,
            columns,
        };
        if let Some(refused) = refused {
            let faults = refused.fields.into_iter();
            return Err(faults
                .map(|fault| Fault::new(item.place(&fault.field), fault.message))
                .collect());
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

    /// The body of the request.
    pub fn body(&self) -> Value {
        json!({"local_id": self.local_id, "identifiers": self.identifiers, "enriched_data": self.data})
    }

    /// Where in the file a field of the request came from.
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

/// Reads all rows of a file in order; stops early if `emit` says so.
///
/// # Errors
/// If the file cannot be read, or nothing in it can be understood.
pub fn read(
    path: &Path,
    format: Format,
    keep_other_columns: bool,
    emit: &mut dyn FnMut(Row) -> bool,
) -> Result<()> {
    let file = File::open(path)?;
    match format {
        Format::Csv => table::read(BufReader::new(file), keep_other_columns, emit),
        Format::Jsonl => json_lines(file, emit),
        Format::Epcis => {
            let mut bytes = Vec::new();
            file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_DOCUMENT {
                bail!("the document is larger than 256 MiB: cut it into several");
            }
            epcis_rows(&bytes, emit)
        }
    }
}

/// An item as a line of JSON says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    local_id: Option<String>,
    #[serde(default)]
    identifiers: Vec<NewIdentifier>,
    enriched_data: Option<Value>,
}

fn json_lines(file: File, emit: &mut dyn FnMut(Row) -> bool) -> Result<()> {
    let mut lines = Lines::new(BufReader::new(file));
    let mut number = 0;
    while let Some(line) = lines.next()? {
        let content = match &line.bytes {
            Some(bytes) if bytes.trim_ascii().is_empty() => continue,
            Some(bytes) => json_item(bytes).map(Content::Item),
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

fn epcis_rows(bytes: &[u8], emit: &mut dyn FnMut(Row) -> bool) -> Result<()> {
    let document = match epcis::read(bytes) {
        Ok(document) => document,
        Err(problems) => {
            let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
            bail!("not an EPCIS 2.0 JSON document: {}", all.join("; "));
        }
    };
    let total = document.events.len() as u64;
    for (number, event) in (1..).zip(document.events) {
        let content = event
            .map_err(|problems| {
                let faults = problems.into_iter();
                faults.map(|one| Fault::new(one.pointer, one.message)).collect()
            })
            .and_then(|event| epcis_event(event, document.context.as_ref()))
            .map(Content::Event);
        let row = Row {
            number,
            line: None,
            // Where an event stands in the text is not known; its share of the document is.
            end: bytes.len() as u64 * number / total,
            content,
        };
        if !emit(row) {
            break;
        }
    }
    Ok(())
}

fn epcis_event(event: epcis::Event, context: Option<&Value>) -> Result<Event, Vec<Fault>> {
    if event.subjects.len() > event::MAX_ITEMS {
        let (found, max) = (event.subjects.len(), event::MAX_ITEMS);
        return Err(Fault::whole(format!(
            "is about {found} items; at most {max} are possible"
        )));
    }
    let items = event.subjects.iter().map(epc_item).collect::<Result<_, _>>()?;
    // A type of somebody's own is an IRI, which is no word for a type here; the event itself keeps it.
    let event_type = if event.event_type.contains(':') {
        "ExtensionEvent"
    } else {
        &event.event_type
    };
    let data = match context {
        Some(context) => json!({"context": context, "event": event.raw}),
        None => json!({"event": event.raw}),
    };
    let broken = event::check_data(&data);
    if !broken.is_empty() {
        return Err(broken
            .into_iter()
            .map(|fault| Fault::new(fault.field, fault.message))
            .collect());
    }
    Ok(Event {
        items,
        body: json!({
            "event_type": event_type,
            "source": "epcis",
            "occurred_at": event.event_time,
            "client_event_id": event.identity,
            "data": data,
        }),
        content_id: event.content_identity,
    })
}

/// The local item of an EPC: canonical where its registry accepts the value, else known by its URI.
fn epc_item(epc: &Epc) -> Result<Item, Vec<Fault>> {
    let (key, registry) = match epc.kind {
        Kind::Sgtin => ("sgtin", Some(Registry::Sgtin)),
        Kind::Gtin => ("gtin", Some(Registry::Gtin)),
        Kind::Sscc => ("sscc", Some(Registry::Sscc)),
        Kind::Gln => ("gln", Some(Registry::Gln)),
        Kind::Other => ("epc", None),
    };
    let identifier = match registry.filter(|registry| registry.normalise(&epc.value).is_ok()) {
        Some(registry) => NewIdentifier {
            key: key.to_owned(),
            value: epc.value.clone(),
            registry: Some(registry.as_str().to_owned()),
            ..NewIdentifier::default()
        },
        None => NewIdentifier {
            key: "epc".to_owned(),
            value: epc.uri.clone(),
            ..NewIdentifier::default()
        },
    };
    Item::new(None, vec![identifier], json!({"epc": epc.uri}), Vec::new())
}
