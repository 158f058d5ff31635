//! What a use case answers when it can't do what was asked: a stable code, a sentence for people, and the cause.

use std::collections::BTreeMap;

use db::DbError;
use domain::problem::{ErrorCode, Extension, FieldError};
use serde_json::Value;

/// The result of a use case.
pub type Result<T> = std::result::Result<T, AppError>;

/// A refusal or failure, ready to be told. The message never holds database text or a secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    /// The stable code; status and title follow from it.
    pub code: ErrorCode,
    /// What was wrong and what to do.
    pub message: String,
    /// The fields that were wrong.
    pub fields: Vec<FieldError>,
    /// Further members of the problem document.
    pub details: Box<BTreeMap<Extension, Value>>,
    /// The chain below, for the log.
    #[source]
    pub source: Option<DbError>,
}

impl AppError {
    /// An error with a code and a sentence.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
            details: Box::default(),
            source: None,
        }
    }

    /// `what` does not exist for this caller. The same for what exists and is hidden.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    /// Fields that break a rule.
    #[must_use]
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let names: Vec<_> = fields.iter().map(|field| field.field.as_str()).collect();
        let message = format!("check the fields named in `errors`: {}", names.join(", "));
        Self {
            fields,
            ..Self::new(ErrorCode::ValidationFailed, message)
        }
    }

    /// The caller may see it but not do this; `needs` names what is missing.
    #[must_use]
    pub fn forbidden(needs: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, needs)
    }

    /// The present state contradicts the request.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// Adds a member to the problem document.
    #[must_use]
    pub fn with(mut self, name: Extension, value: impl Into<Value>) -> Self {
        self.details.insert(name, value.into());
        self
    }
}

impl From<Vec<FieldError>> for AppError {
    fn from(fields: Vec<FieldError>) -> Self {
        Self::invalid(fields)
    }
}

impl From<FieldError> for AppError {
    fn from(field: FieldError) -> Self {
        Self::invalid(vec![field])
    }
}

impl From<DbError> for AppError {
    fn from(source: DbError) -> Self {
        let (code, message) = match &source {
            DbError::Unavailable { .. } | DbError::Retry { .. } => (
                ErrorCode::Unavailable,
                "the database is busy or away; nothing was changed, try again",
            ),
            DbError::Unconfirmed => (
                ErrorCode::Unavailable,
                "the database did not confirm the change: read before trying again, it may have been made",
            ),
            DbError::Timeout => (
                ErrorCode::DeadlineExceeded,
                "the database took too long; nothing was changed, try again",
            ),
            DbError::Full { .. } => (
                ErrorCode::Unavailable,
                "the disk of the database is full; nothing was changed, try again when there is room",
            ),
            DbError::Unique { .. } => (ErrorCode::Conflict, "something with the same key exists"),
            DbError::ForeignKey { .. } => (
                ErrorCode::Conflict,
                "something this refers to is gone or still in use",
            ),
            _ => (ErrorCode::Internal, "internal error; report the request id"),
        };
        Self {
            source: Some(source),
            ..Self::new(code, message)
        }
    }
}
