//! What keeps an entry from being carried out, with its place in the file.

use crate::outcome::{EntryError, ErrorKind};
use crate::run::variables::Variables;
use crate::syntax::Pos;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) pos: Pos,
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

pub(super) type Run<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn new(pos: Pos, kind: ErrorKind, message: impl Into<String>) -> Failure {
        Failure {
            pos,
            kind,
            message: message.into(),
        }
    }

    /// A query, filter or capture that cannot be evaluated.
    pub(super) fn capture(pos: Pos, message: impl Into<String>) -> Failure {
        Failure::new(pos, ErrorKind::Capture, message)
    }

    pub(super) fn redacted(self, variables: &Variables) -> EntryError {
        EntryError {
            line: self.pos.line,
            column: self.pos.column,
            kind: self.kind,
            message: variables.redact(&self.message).into_owned(),
        }
    }
}
