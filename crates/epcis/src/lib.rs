//! EPCIS 2.0 JSON documents (GS1 EPCIS 2.0, chapters 7 and 10), read as far as items and events need.
//!
//! Here: taking a document apart into events, the rules an event must keep to be recorded, what it is about, and its
//! identity for deduplication. Not here: XML, JSON-LD expansion, the CBV event hash, queries.
//! Pure: no I/O, no clock.

mod document;
mod epc;
mod event;
mod identity;
mod vocabulary;

pub use document::{Document, read, read_value};
pub use epc::{Epc, Kind};
pub use event::Event;

/// What breaks a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}{}{message}", if .pointer.is_empty() { "" } else { ": " })]
pub struct Problem {
    /// JSON pointer (RFC 6901) into the document; empty for the document itself.
    pub pointer: String,
    /// What is wrong and what is expected, for people.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}
