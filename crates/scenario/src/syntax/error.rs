//! A syntax error, and whether another alternative may still be tried.

use super::Pos;

/// What the reader could not make sense of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub(crate) pos: Pos,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// An alternative may be tried; otherwise the file is wrong here.
    pub(crate) recoverable: bool,
}

pub(super) type Parse<T> = Result<T, ParseError>;

impl ParseError {
    pub(super) fn fatal(pos: Pos, message: impl Into<String>) -> ParseError {
        ParseError {
            pos,
            message: message.into(),
            hint: None,
            recoverable: false,
        }
    }

    pub(super) fn soft(pos: Pos, message: impl Into<String>) -> ParseError {
        ParseError {
            recoverable: true,
            ..ParseError::fatal(pos, message)
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> ParseError {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn into_soft(self) -> ParseError {
        ParseError {
            recoverable: true,
            ..self
        }
    }

    pub(super) fn into_fatal(self) -> ParseError {
        ParseError {
            recoverable: false,
            ..self
        }
    }
}
