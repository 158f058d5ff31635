//! One local id that a file gives two meanings: the first row counts, the later ones are told.
//!
//! Rows are sent several at a time, so the server would keep whichever comes first. Not here: ids that the server knows.

use std::collections::{BTreeSet, HashMap};

use domain::canonical;
use serde_json::json;

use super::{Fault, Item, Row};

/// Most local ids of a file that are remembered, which take some 45 MB; what repeats one beyond them is left to the
/// server.
const MAX_REMEMBERED: usize = 900_000;

/// The first 16 bytes of a SHA-256.
type Fingerprint = [u8; 16];

/// What the local ids of the rows so far stand for.
#[derive(Default)]
pub struct Repeats(HashMap<Fingerprint, First>);

/// The row that gave an id its meaning.
struct First {
    content: Fingerprint,
    line: u64,
}

impl Repeats {
    /// The row, or what is wrong with it if its local id stood for something else before.
    pub fn check(&mut self, row: Row<Item>) -> Row<Item> {
        let line = row.line.unwrap_or(row.number);
        let content = row.content.and_then(|item| match self.first_of(&item, line) {
            Some(first) => {
                let id = &item.local_id;
                let message =
                    format!("`{id}` stands in line {first} with other identifiers or data, which count");
                Err(vec![Fault::new("local_id", message)])
            }
            None => Ok(item),
        });
        Row { content, ..row }
    }

    /// The line that gave the item's id another meaning.
    fn first_of(&mut self, item: &Item, line: u64) -> Option<u64> {
        let (id, content) = (fingerprint(&item.local_id)?, content_of(item)?);
        let full = self.0.len() >= MAX_REMEMBERED;
        match self.0.get(&id) {
            Some(first) => (first.content != content).then_some(first.line),
            None => {
                if !full {
                    self.0.insert(id, First { content, line });
                }
                None
            }
        }
    }
}

/// What the server compares too: identifiers in their canonical form, in any order, and data.
fn content_of(item: &Item) -> Option<Fingerprint> {
    let identifiers = item.identifiers.iter().filter_map(|new| new.check("").ok());
    let keys: BTreeSet<String> = identifiers.map(|identifier| identifier.canonical_key()).collect();
    fingerprint(&json!([keys, item.data]))
}

fn fingerprint(value: &impl serde::Serialize) -> Option<Fingerprint> {
    let digest = canonical::digest(value).ok()?;
    digest.first_chunk().copied()
}
