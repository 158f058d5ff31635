//! CSV: which column means what, and from records to items.

use std::io::{self, BufRead};

use csv::StringRecord;
use domain::{identifier::NewIdentifier, registry::Registry};
use serde_json::{Map, Value, json};

use super::{
    Emit, Fault, Item, ReadError, Row,
    lines::{Line, Lines, MAX_LINE},
};

/// How many lines one record may span. A quote that nobody closes costs this many lines of looking, not the file.
const MAX_SPAN: usize = 100;

/// What a column holds.
enum Column {
    LocalId,
    /// Namespace of the row's identifiers.
    Namespace,
    /// An identifier that this registry defines.
    Canonical(Registry),
    Contextual(String),
    Data(String),
}

/// The columns of a file, in order.
struct Table {
    names: Vec<String>,
    columns: Vec<Column>,
    delimiter: u8,
}

/// Reads all records; stops early if `emit` says so.
pub fn read(input: impl BufRead, keep_other_columns: bool, emit: Emit<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::new(input);
    let header = lines.next()?.ok_or(ReadError::Empty)?;
    let table = Table::new(&header, keep_other_columns)?;
    let mut number = 0;
    while let Some(line) = lines.next()? {
        if line.bytes.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        number += 1;
        let (at, end, bytes) = table.record(line, &mut lines)?;
        let row = Row {
            number,
            line: Some(at),
            end,
            content: bytes.and_then(|bytes| table.item(&bytes)),
        };
        if !emit(row) {
            break;
        }
    }
    Ok(())
}

/// First line, end of the last one, and the bytes of a record or what is wrong with it.
type Record = (u64, u64, Result<Vec<u8>, Vec<Fault>>);

impl Table {
    fn new(header: &Line, keep_other_columns: bool) -> Result<Self, ReadError> {
        let wrong = |what: &str| ReadError::Header(what.to_owned());
        let bytes = header.bytes.as_ref();
        let bytes = bytes.ok_or_else(|| wrong("the header is longer than 1 MiB"))?;
        let count = |delimiter: &&u8| bytes.iter().filter(|byte| byte == delimiter).count();
        // Spreadsheets in countries with decimal commas write semicolons; of equal ones the last wins.
        let delimiter = *b"\t;,".iter().max_by_key(count).unwrap_or(&b',');
        let record = parse(bytes, delimiter).map_err(|_| wrong("the header is not UTF-8"))?;
        let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        let mut columns = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(wrong(&format!("the column `{name}` is there twice")));
            }
            columns.push(column(name, keep_other_columns)?);
        }
        Ok(Self {
            names,
            columns,
            delimiter,
        })
    }

    /// Puts the lines of a record together: a quoted field may hold line ends.
    fn record(&self, first: Line, lines: &mut Lines<impl BufRead>) -> io::Result<Record> {
        let (number, first_end) = (first.number, first.end);
        let Some(mut bytes) = first.bytes else {
            return Ok((number, first_end, Err(Fault::whole("is longer than 1 MiB"))));
        };
        let (mut end, mut taken) = (first_end, Vec::new());
        while has_open_quote(&bytes, self.delimiter) {
            let next = if taken.len() < MAX_SPAN {
                lines.next()?
            } else {
                None
            };
            let more = next.as_ref().and_then(|line| line.bytes.as_deref());
            let more = more.filter(|more| bytes.len() + more.len() < MAX_LINE);
            let Some(more) = more else {
                lines.give_back(taken.into_iter().chain(next));
                return Ok((
                    number,
                    first_end,
                    Err(Fault::whole("opens a quote that is not closed")),
                ));
            };
            bytes.push(b'\n');
            bytes.extend_from_slice(more);
            end = next.as_ref().map_or(end, |line| line.end);
            taken.extend(next);
        }
        Ok((number, end, Ok(bytes)))
    }

    /// The fields of a record, one for each column.
    fn fields(&self, bytes: &[u8]) -> Result<StringRecord, Vec<Fault>> {
        let record = parse(bytes, self.delimiter).map_err(|field| {
            let name = field.and_then(|index| self.names.get(index)).cloned();
            vec![Fault::new(name.unwrap_or_default(), "is not UTF-8")]
        })?;
        if record.len() != self.columns.len() {
            let (found, expected) = (record.len(), self.columns.len());
            return Err(Fault::whole(format!(
                "has {found} fields; the header has {expected}"
            )));
        }
        Ok(record)
    }

    fn item(&self, bytes: &[u8]) -> Result<Item, Vec<Fault>> {
        let record = self.fields(bytes)?;
        let (mut identifiers, mut sources, mut data) = (Vec::new(), Vec::new(), Map::new());
        let (mut local_id, mut namespace) = (None, None);
        let cells = record.iter().map(str::trim).zip(&self.columns).zip(&self.names);
        for ((value, column), name) in cells.filter(|((value, _), _)| !value.is_empty()) {
            let identifier = |key: &str, registry: Option<Registry>| NewIdentifier {
                key: key.to_owned(),
                value: value.to_owned(),
                registry: registry.map(|registry| registry.as_str().to_owned()),
                ..NewIdentifier::default()
            };
            match column {
                Column::LocalId => local_id = Some(value.to_owned()),
                Column::Namespace => namespace = Some(value.to_owned()),
                Column::Canonical(registry) => {
                    identifiers.push(identifier(
                        &registry.as_str().to_ascii_lowercase(),
                        Some(*registry),
                    ));
                }
                Column::Contextual(key) => identifiers.push(identifier(key, None)),
                Column::Data(key) => {
                    data.insert(key.clone(), json!(value));
                }
            }
            if matches!(column, Column::Canonical(_) | Column::Contextual(_)) {
                sources.push(name.clone());
            }
        }
        for identifier in &mut identifiers {
            identifier.namespace.clone_from(&namespace);
        }
        Item::new(local_id, identifiers, Value::Object(data), sources)
    }
}

fn column(name: &str, keep_other_columns: bool) -> Result<Column, ReadError> {
    if let Some(key) = name.strip_prefix("identifier.") {
        return Ok(Column::Contextual(key.to_owned()));
    }
    if let Some(key) = name.strip_prefix("data.") {
        return Ok(Column::Data(key.to_owned()));
    }
    Ok(match (name, Registry::from_name(name)) {
        ("local_id", _) => Column::LocalId,
        ("namespace", _) => Column::Namespace,
        (_, Ok(registry)) => Column::Canonical(registry),
        _ if keep_other_columns && !name.is_empty() => Column::Data(name.to_owned()),
        _ => return Err(ReadError::Column(name.to_owned())),
    })
}

/// The one record in these bytes, or the field that is not UTF-8.
fn parse(bytes: &[u8], delimiter: u8) -> Result<StringRecord, Option<usize>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes);
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(_) => Ok(record),
        Err(error) => Err(match error.kind() {
            csv::ErrorKind::Utf8 { err, .. } => Some(err.field()),
            _ => None,
        }),
    }
}

/// Whether a quoted field is still open at the end (RFC 4180: a quote counts at the beginning of a field).
fn has_open_quote(bytes: &[u8], delimiter: u8) -> bool {
    let (mut open, mut at_start) = (false, true);
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' if open && rest.peek() == Some(&b'"') => {
                rest.next();
            }
            b'"' if open => open = false,
            b'"' if at_start => open = true,
            _ => {}
        }
        at_start = !open && byte == delimiter;
    }
    open
}
