//! From a file to rows: items and events as the API takes them, or what is wrong with a row.

use anyhow::{Context, Result, bail};
use domain::registry::Registry;
use epcis::{Epc, Kind};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Form of a file.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header, then one item a line; columns named after a registry hold canonical identifiers, `identifier.NAME`
    /// contextual ones, all others data
    Csv,
    /// One item a line, as `POST /api/items/local` takes it
    Jsonl,
    /// An EPCIS 2.0 JSON document
    Epcis,
}

/// What one row asks for.
pub enum Row {
    /// A local item.
    Item(Value),
    /// An event and the items it is about.
    Event { items: Vec<Value>, event: Value },
}

/// A row, or its errors as (field, message).
pub type Checked = std::result::Result<Row, Vec<(String, String)>>;

/// Reads all rows.
pub fn read(format: Format, bytes: &[u8]) -> Result<Vec<Checked>> {
    match format {
        Format::Csv => csv_rows(bytes),
        Format::Jsonl => Ok(std::str::from_utf8(bytes)
            .context("the file is not UTF-8")?
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| match serde_json::from_str::<Value>(line) {
                Ok(item @ Value::Object(_)) => Ok(Row::Item(named(item))),
                Ok(_) => Err(vec![(String::new(), "must be an object".to_owned())]),
                Err(error) => Err(vec![(String::new(), format!("is not JSON: {error}"))]),
            })
            .collect()),
        Format::Epcis => epcis_rows(bytes),
    }
}

/// Gives an item without a local id one that follows from its content, so that importing it twice makes one item.
fn named(mut item: Value) -> Value {
    if item.get("local_id").is_none() {
        let text = domain::canonical::to_bytes(&item).unwrap_or_default();
        item["local_id"] = json!(format!("import:{}", &hex::encode(Sha256::digest(text))[..32]));
    }
    item
}

fn csv_rows(bytes: &[u8]) -> Result<Vec<Checked>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().context("the header cannot be read")?.clone();
    Ok(reader
        .records()
        .map(|record| match record {
            Ok(record) => Ok(Row::Item(named(csv_item(&header, &record)))),
            Err(error) => Err(vec![(String::new(), error.to_string())]),
        })
        .collect())
}

fn csv_item(header: &csv::StringRecord, record: &csv::StringRecord) -> Value {
    let (mut identifiers, mut data, mut item) = (Vec::new(), Map::new(), Map::new());
    for (name, value) in header
        .iter()
        .zip(record)
        .filter(|(_, value)| !value.trim().is_empty())
    {
        if name == "local_id" {
            item.insert("local_id".to_owned(), json!(value));
        } else if let Some(key) = name.strip_prefix("identifier.") {
            identifiers.push(json!({"key": key, "value": value}));
        } else if Registry::from_name(name).is_ok() {
            identifiers.push(json!({"key": name, "value": value, "registry": name}));
        } else {
            data.insert(name.to_owned(), json!(value));
        }
    }
    item.insert("identifiers".to_owned(), Value::Array(identifiers));
    item.insert("enriched_data".to_owned(), Value::Object(data));
    Value::Object(item)
}

fn epcis_rows(bytes: &[u8]) -> Result<Vec<Checked>> {
    let document = match epcis::read(bytes) {
        Ok(document) => document,
        Err(problems) => {
            let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
            bail!("not an EPCIS 2.0 JSON document: {}", all.join("; "));
        }
    };
    let context = document.context;
    let row = |event: epcis::Event| Row::Event {
        items: event.subjects.iter().map(epc_item).collect(),
        event: json!({
            "event_type": if event.event_type.contains(':') { "ExtensionEvent" } else { &event.event_type },
            "source": "epcis",
            "occurred_at": event.event_time,
            "client_event_id": event.identity,
            "data": {"context": context, "event": event.raw},
        }),
    };
    let broken = |problems: Vec<epcis::Problem>| {
        problems
            .into_iter()
            .map(|one| (one.pointer, one.message))
            .collect::<Vec<_>>()
    };
    Ok(document
        .events
        .into_iter()
        .map(|event| event.map(row).map_err(broken))
        .collect())
}

/// The local item of an EPC: canonical where its registry accepts the value, else known by its URI.
fn epc_item(epc: &Epc) -> Value {
    let (key, registry) = match epc.kind {
        Kind::Sgtin => ("sgtin", Some(Registry::Sgtin)),
        Kind::Gtin => ("gtin", Some(Registry::Gtin)),
        Kind::Sscc => ("sscc", Some(Registry::Sscc)),
        Kind::Gln => ("gln", Some(Registry::Gln)),
        Kind::Other => ("epc", None),
    };
    let identifier = match registry.filter(|registry| registry.normalise(&epc.value).is_ok()) {
        Some(registry) => json!({"key": key, "value": epc.value, "registry": registry.as_str()}),
        None => json!({"key": "epc", "value": epc.uri}),
    };
    named(json!({"identifiers": [identifier], "enriched_data": {"epc": epc.uri}}))
}
