//! `farmgate.toml` as a flat list: dotted key, text of the value, line.

use toml::de::{DeTable, DeValue};

/// One entry of the file.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Reads the file's text.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line(text, at), error.message().to_owned())
    })?;
    let mut list = Vec::new();
    walk(text, "", table.get_ref(), &mut list)?;
    list.sort_by_key(|entry| entry.line);
    Ok(list)
}

fn walk(text: &str, prefix: &str, table: &DeTable<'_>, list: &mut Vec<Entry>) -> Result<(), (usize, String)> {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let line = line(text, name.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => walk(text, &key, inner, list)?,
            DeValue::Array(items) => {
                let parts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                let parts = parts.ok_or_else(|| (line, format!("`{key}` must be a list of strings")))?;
                list.push(Entry {
                    key,
                    text: parts.join(","),
                    line,
                });
            }
            DeValue::String(string) => list.push(Entry {
                key,
                text: string.to_string(),
                line,
            }),
            _ => list.push(Entry {
                key,
                text: text[value.span()].to_owned(),
                line,
            }),
        }
    }
    Ok(())
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
