//! A parsed scenario: what all virtual users share.

use std::sync::Arc;

use crate::diagnostic::Diagnostics;

/// Reads a Hurl file and checks that everything in it is supported. `name` is used in messages.
///
/// # Errors
/// Every finding, with line, column and hint: the first syntax error, or all uses of what is not supported.
pub fn parse(name: &str, text: &str) -> Result<Scenario, Diagnostics> {
    let _ = text;
    Ok(Scenario {
        inner: Arc::new(Inner {
            name: name.to_string(),
            entries: Vec::new(),
            directives: Vec::new(),
        }),
    })
}

/// A scenario, parsed and checked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scenario {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    entries: Vec<EntryInfo>,
    directives: Vec<Directive>,
}

/// What can be said of an entry without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryInfo {
    /// The method.
    pub method: String,
    /// The URL as written, with its placeholders.
    pub url: String,
    /// Line of the method.
    pub line: u32,
}

/// A comment `# @key value`: a fact that Hurl has no place for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Line of the comment.
    pub line: u32,
    /// The word after the `@`.
    pub key: String,
    /// The rest of the line, trimmed; may be empty.
    pub value: String,
    /// Index of the entry that follows the comment, from 0; the number of entries if none does.
    pub entry: usize,
}

impl Scenario {
    /// The name given to [`parse`].
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The entries in the order of the file.
    pub fn entries(&self) -> &[EntryInfo] {
        &self.inner.entries
    }

    /// The `# @key value` comments in the order of the file.
    pub fn directives(&self) -> &[Directive] {
        &self.inner.directives
    }
}
