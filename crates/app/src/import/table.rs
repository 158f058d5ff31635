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
    /// Nothing may stand in a column without a name: spreadsheets write them after those that are used.
    Nameless,
}

/// The columns of a file, in order.
struct Table {
    names: Vec<String>,
    columns: Vec<Column>,
    delimiter: u8,
}

/// Reads all records; stops early if `emit` says so.
pub fn read(input: impl BufRead, keep_other_columns: bool, emit: Emit<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::new(input, b"\r\n");
    let header = next_filled(&mut lines)?.ok_or(ReadError::Empty)?;
    let table = Table::new(&header, keep_other_columns)?;
    let mut number = 0;
    while let Some(line) = next_filled(&mut lines)? {
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

/// The next line that is not blank.
fn next_filled(lines: &mut Lines<impl BufRead>) -> io::Result<Option<Line>> {
    loop {
        let line = lines.next()?;
        let bytes = line.as_ref().and_then(|line| line.bytes.as_ref());
        if bytes.is_none_or(|bytes| !bytes.is_empty()) {
            return Ok(line);
        }
    }
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
        if has_open_quote(bytes, delimiter) {
            return Err(wrong(
                "the header opens a quote that its line does not close: write each name in one line",
            ));
        }
        let record = parse(bytes, delimiter).map_err(|_| wrong("the header is not UTF-8"))?;
        let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        let mut columns = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..index].contains(name) {
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
        let (mut end, mut ending, mut taken) = (first_end, first.ending, Vec::new());
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
            bytes.extend_from_slice(ending);
            bytes.extend_from_slice(more);
            (end, ending) = next
                .as_ref()
                .map_or((end, ending), |line| (line.end, line.ending));
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
        let nameless = |index: usize| matches!(self.columns[index], Column::Nameless);
        let lost = (0..record.len()).find(|index| nameless(*index) && !record[*index].trim().is_empty());
        if let Some(index) = lost {
            let place = format!("column {}", index + 1);
            let message = "holds a value, but the header gives the column no name";
            return Err(vec![Fault::new(place, message)]);
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
                Column::Nameless => {}
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
        ("", _) => Column::Nameless,
        ("local_id", _) => Column::LocalId,
        ("namespace", _) => Column::Namespace,
        (_, Ok(registry)) => Column::Canonical(registry),
        _ if keep_other_columns => Column::Data(name.to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, line, and local id with data or the first fault of each row.
    fn rows(text: &str, keep_other_columns: bool) -> Vec<(u64, u64, String)> {
        let mut rows = Vec::new();
        let mut emit = |row: Row<Item>| {
            let content = match row.content {
                Ok(item) => format!("{} {}", item.local_id, item.data),
                Err(faults) => format!("! {}: {}", faults[0].field, faults[0].message),
            };
            rows.push((row.number, row.line.unwrap(), content));
            true
        };
        read(text.as_bytes(), keep_other_columns, &mut emit).unwrap();
        rows
    }

    fn expect(text: &str, expected: &[(u64, u64, &str)]) {
        let found = rows(text, false);
        let found: Vec<_> = found.iter().map(|row| (row.0, row.1, row.2.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn every_kind_of_line_end_ends_a_row() {
        let two = [(1, 2, "a {\"x\":\"1\"}"), (2, 3, "b {\"x\":\"2\"}")];
        for end in ["\n", "\r\n", "\r"] {
            expect(&format!("local_id,data.x{end}a,1{end}b,2{end}"), &two);
            expect(&format!("local_id,data.x{end}a,1{end}b,2"), &two);
        }
        // What is written by two programs, one after the other.
        expect("local_id,data.x\r\na,1\rb,2\r\n", &two);
        // A value that is cut off is told by the row that the rest of it makes.
        let cut = [
            (1, 2, "a {\"x\":\"foo\"}"),
            (2, 3, "! : has 1 fields; the header has 2"),
            (3, 4, "b {\"x\":\"2\"}"),
        ];
        expect("local_id,data.x\na,foo\rbar\nb,2\n", &cut);
    }

    #[test]
    fn a_line_end_within_quotes_stays_as_it_is_written() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("local_id,data.x{end}a,\"1{end}{end}2\"{end}b,3{end}");
            let value = serde_json::to_string(&format!("1{end}{end}2")).unwrap();
            let found = rows(&text, false);
            assert_eq!(found[0], (1, 2, format!("a {{\"x\":{value}}}")), "{text:?}");
            assert_eq!(found[1], (2, 5, "b {\"x\":\"3\"}".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn the_end_of_a_buffer_within_a_line_end_is_no_line_end() {
        for size in 1..24 {
            let text = "local_id,data.x\r\na,\"1\r\n2\"\r\nb,3\r";
            let input = std::io::BufReader::with_capacity(size, text.as_bytes());
            let (mut found, mut end) = (Vec::new(), 0);
            let mut emit = |row: Row<Item>| {
                found.push((row.line.unwrap(), row.content.unwrap().data["x"].clone()));
                end = row.end;
                true
            };
            read(input, false, &mut emit).unwrap();
            assert_eq!(found, [(2, json!("1\r\n2")), (4, json!("3"))], "{size}");
            assert_eq!(end, text.len() as u64);
        }
    }

    #[test]
    fn a_header_that_goes_on_in_the_next_line_is_refused() {
        let text = "local_id,\"data.long\nname\"\na,1\n";
        let refused = read(text.as_bytes(), true, &mut |_| true).unwrap_err();
        assert!(refused.to_string().contains("opens a quote"), "{refused}");
    }

    #[test]
    fn blank_lines_before_the_header_are_passed_over() {
        expect("\r\n\nlocal_id,data.x\n\na,1\n", &[(1, 5, "a {\"x\":\"1\"}")]);
        expect("\u{feff}\nlocal_id,data.x\na,1\n", &[(1, 3, "a {\"x\":\"1\"}")]);
        assert!(matches!(
            read("\n\n".as_bytes(), true, &mut |_| true),
            Err(ReadError::Empty)
        ));
    }

    #[test]
    fn a_column_without_a_name_holds_nothing_or_is_named_by_its_place() {
        let text = "local_id;data.x;;\na;1;;\nb;2;;late\n";
        let expected = [
            (1, 2, "a {\"x\":\"1\"}".to_owned()),
            (
                2,
                3,
                "! column 4: holds a value, but the header gives the column no name".to_owned(),
            ),
        ];
        assert_eq!(rows(text, false), expected);
        assert_eq!(rows(text, true), expected);
    }
}
