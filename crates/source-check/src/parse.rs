//! One file's text, read into facts and silences; or why it could not be read.

use proc_macro2::{LexError, TokenStream, TokenTree};

use crate::ir::{FileFacts, Pos};
use crate::lower::lower;
use crate::nesting;
use crate::silence::{self, Silence};
use crate::source::Source;

/// What a file holds.
#[derive(Default)]
pub struct Parsed {
    pub facts: FileFacts,
    pub silences: Vec<Silence>,
}

/// A file that makes the parser fail is one that could not be read, not the end of the run.
pub fn parse_or_give_up(source: &Source, tests: bool) -> Result<Parsed, (Pos, String)> {
    std::panic::catch_unwind(|| parse(source, tests)).unwrap_or_else(|_| {
        Err((
            Pos { line: 1, col: 1 },
            "the parser failed on this file".to_owned(),
        ))
    })
}

fn parse(source: &Source, tests: bool) -> Result<Parsed, (Pos, String)> {
    let at = |span: proc_macro2::Span| {
        let start = span.start();
        Pos {
            line: number(start.line),
            col: number(start.column) + 1,
        }
    };
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let text = if text.starts_with("#!") && !text.starts_with("#![") {
        format!("//{text}")
    } else {
        text.to_owned()
    };
    let tokens: TokenStream = text
        .parse()
        .map_err(|error: LexError| (at(error.span()), "cannot be read as Rust tokens".to_owned()))?;
    if let Some(span) = nesting::too_deep(tokens.clone()) {
        return Err((at(span), "nests too deeply to be parsed".to_owned()));
    }
    let has_silences = text.contains("farmgate:");
    let literals = if has_silences {
        literals(tokens.clone())
    } else {
        Vec::new()
    };
    let file: syn::File = syn::parse2(tokens).map_err(|error| (at(error.span()), error.to_string()))?;
    let facts = lower(&file, &source.module, tests, has_silences);
    drop(file);
    let inside = |line, col| {
        literals
            .iter()
            .any(|(start, end)| *start <= (line, col) && (line, col) < *end)
    };
    let silences = silence::read(&source.text, &facts.extents, inside);
    proc_macro2::extra::invalidate_current_thread_spans();
    Ok(Parsed { facts, silences })
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Start and end (line, column from 0) of every literal and document comment.
fn literals(tokens: TokenStream) -> Vec<((u32, u32), (u32, u32))> {
    let mut found = Vec::new();
    let mut work = vec![tokens];
    while let Some(tokens) = work.pop() {
        for token in tokens {
            match token {
                TokenTree::Group(group) => work.push(group.stream()),
                TokenTree::Literal(literal) => {
                    let (start, end) = (literal.span().start(), literal.span().end());
                    found.push((
                        (number(start.line), number(start.column)),
                        (number(end.line), number(end.column)),
                    ));
                }
                _ => {}
            }
        }
    }
    found
}
