//! The Hurl grammar: from text to a tree with a position on every node.
//!
//! The reader follows the published grammar of Hurl 8 and, where the grammar leaves a choice, the published
//! tool. It knows nothing of what is supported; see [`crate::support`].

mod ast;
mod body;
mod error;
mod file;
mod filter;
mod json;
mod number;
mod option;
mod predicate;
mod query;
mod reader;
mod section;
mod text;
mod websocket;
mod xml;

pub(crate) use ast::*;
pub(crate) use file::parse_file;
pub(crate) use json::is_bare_json_text;
pub(crate) use option::names as option_names;

/// A place in a file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}
