//! A parsed scenario: what all virtual users share.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::settings::Settings;
use crate::{support, syntax};

/// More findings than this are not told: the first ones say enough.
const MAX_FINDINGS: usize = 100;

/// Reads a Hurl file and checks that everything in it is supported. `name` is the path of the file: messages name it,
/// and the files that are sent are looked for beside it.
///
/// # Errors
/// Every finding, with line, column and hint: the first syntax error, or all uses of what is not supported.
pub fn parse(name: &str, text: &str) -> Result<Scenario, Diagnostics> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = syntax::parse_file(text)
        .map_err(|e| Diagnostics::new(Diagnostic::new(name, text, e.pos, e.message, e.hint)))?;
    let refused = support::check(&file).into_iter().take(MAX_FINDINGS);
    let diagnostics = refused.map(|r| Diagnostic::new(name, text, r.pos, r.message, Some(r.hint)));
    Diagnostics::from_vec(diagnostics.collect())?;
    let directives = directives(&file);
    let clears = |d: &&Directive| d.key == "cookie_storage_clear";
    let clearing = directives.iter().filter(clears).map(|d| d.entry).collect();
    let info = |entry: &syntax::Entry| EntryInfo {
        method: entry.request.method.clone(),
        url: entry.request.url_source.clone(),
        line: entry.request.pos.line,
    };
    let info = file.entries.iter().map(info).collect();
    Ok(Scenario {
        inner: Arc::new(Inner {
            name: name.to_string(),
            info,
            directives,
            entries: file.entries,
            clearing,
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
    info: Vec<EntryInfo>,
    directives: Vec<Directive>,
    entries: Vec<syntax::Entry>,
    /// Entries before which the cookie jar is emptied.
    clearing: BTreeSet<usize>,
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
        &self.inner.info
    }

    /// The `# @key value` comments in the order of the file.
    pub fn directives(&self) -> &[Directive] {
        &self.inner.directives
    }

    /// Whether the entry opens a WebSocket and talks on it.
    pub fn opens_websocket(&self, entry: usize) -> bool {
        self.inner
            .entries
            .get(entry)
            .is_some_and(|e| e.websocket.is_some())
    }

    /// Whether an answer to the entry can be otherwise than asserted. A version or a status given as `*` asserts
    /// nothing, and neither does a capture.
    pub fn asserts(&self, entry: usize) -> bool {
        self.inner.entries.get(entry).is_some_and(syntax::Entry::asserts)
    }

    /// The folder below which files are sent or compared.
    pub(crate) fn files<'a>(&'a self, settings: &'a Settings) -> &'a Path {
        let beside = || {
            let folder = Path::new(&self.inner.name).parent();
            folder
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
        };
        settings.file_root.as_deref().unwrap_or_else(beside)
    }

    pub(crate) fn entry(&self, index: usize) -> &syntax::Entry {
        &self.inner.entries[index]
    }

    /// Whether Hurl's own directive to empty the cookie jar stands before an entry.
    pub(crate) fn clears_cookies(&self, entry: usize) -> bool {
        self.inner.clearing.contains(&entry)
    }
}

fn directives(file: &syntax::File) -> Vec<Directive> {
    let directive = |(pos, text): &(syntax::Pos, String)| {
        let (key, value) = text
            .trim()
            .strip_prefix('@')?
            .split_once(char::is_whitespace)
            .unwrap_or_else(|| (text.trim().trim_start_matches('@'), ""));
        let entry = file.entries.partition_point(|e| e.request.pos < *pos);
        let key = key.trim_end_matches(':').to_string();
        (!key.is_empty()).then(|| Directive {
            line: pos.line,
            key,
            value: value.trim().to_string(),
            entry,
        })
    };
    file.comments.iter().filter_map(directive).collect()
}
