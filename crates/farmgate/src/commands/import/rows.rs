//! From a file to rows: items and events as the API takes them, or what is wrong with a row.
//!
//! Items are read by [`app::import`]; only an EPCIS document is held as a whole, up to a bound. Sending stands in
//! [`super::sending`].

use std::{
    fs::File,
    io::{BufReader, Read as _},
    path::Path,
};

use anyhow::{Result, bail};
use app::{
    events::export,
    import::{self, Fault, Item, ReadError},
};
use domain::{event, identifier::NewIdentifier, registry::Registry};
use epcis::{Epc, Kind};
use serde_json::{Value, json};

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

/// A row of the file: a record, a line, an event.
pub type Row = import::Row<Content>;

/// What a row asks for.
#[derive(Debug)]
pub enum Content {
    /// A local item.
    Item(Item),
    /// An event with the items it is about.
    Event(Event),
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
    let mut items = |format| {
        let emit = &mut |row: import::Row<Item>| emit(row.map(Content::Item));
        import::read(format, BufReader::new(&file), keep_other_columns, emit)
    };
    match format {
        Format::Csv => items(export::Format::Csv).map_err(hinted),
        Format::Jsonl => items(export::Format::Jsonl).map_err(hinted),
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

/// Adds what the reader of tables does not know: how to say that a column shall be kept.
fn hinted(error: ReadError) -> anyhow::Error {
    let hint = match error {
        ReadError::Column(_) => "; --keep-other-columns keeps all others as data",
        _ => "",
    };
    anyhow::anyhow!("{error}{hint}")
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
