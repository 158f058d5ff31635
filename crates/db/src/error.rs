//! What can go wrong between a statement and its rows.

use std::error::Error as StdError;
use std::sync::Arc;

type Source = Arc<dyn StdError + Send + Sync>;

/// Why the database did not do what it was asked. Cheap to clone: a batch that fails tells everybody in it.
///
/// `Display` carries no text of the database; the chain of `source` does.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// A row with this key exists. The unit of work is over.
    #[error("a row with the same {constraint} exists")]
    Unique {
        /// The constraint's or index's name. SQLite reports columns instead; they are turned into the name
        /// PostgreSQL gives by default, `table_column_column_key`.
        constraint: String,
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// A row refers to one that is not there, or is referred to.
    #[error("a referenced row is missing or still in use")]
    ForeignKey {
        /// The constraint's name on PostgreSQL, empty on SQLite, which does not tell.
        constraint: String,
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// A value broke a check or not-null constraint.
    #[error("a value breaks the rule {constraint}")]
    Check {
        /// The constraint's name, or the column for not-null.
        constraint: String,
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// The database cannot be reached, or everything that could carry the statement is busy. Try again later.
    #[error("the database is not available: {reason}")]
    Unavailable {
        /// What is exhausted or unreachable.
        reason: &'static str,
        /// The driver's error, if one was the cause.
        #[source]
        source: Option<Source>,
    },
    /// A statement or a unit of work took longer than allowed and was rolled back.
    #[error("the database took too long")]
    Timeout,
    /// The answer to a commit did not come: the unit's changes may or may not have been made. Read before trying
    /// again, or try again only what may happen twice.
    #[error("the database did not confirm the commit")]
    Unconfirmed,
    /// The engine gave up because of others' work (deadlock, serialization). Running the unit again may succeed.
    #[error("the unit of work collided with another one")]
    Retry {
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// `one` found no row.
    #[error("no row")]
    NotFound,
    /// A row's column makes no sense as what it should be.
    #[error("column {column} is corrupt: {reason}")]
    Corrupt {
        /// The column.
        column: String,
        /// What was expected and what was there, by type; never the value.
        reason: String,
    },
    /// An earlier statement of the same unit failed, so the unit can only be rolled back.
    #[error("the unit of work has already failed")]
    UnitOver,
    /// Row-level security or a missing grant refused the statement.
    #[error("the database refused access")]
    Denied {
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// The schema is not the one this release knows: a migration is missing, unknown or changed.
    #[error("{reason}")]
    Schema {
        /// Which migration, and what is the matter with it.
        reason: String,
    },
    /// The disk that holds the database has no room left. Reading goes on.
    #[error("the disk of the database is full")]
    Full {
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// Anything else: a bug in the SQL, a broken disk.
    #[error("statement {name} failed")]
    Other {
        /// The statement's name.
        name: &'static str,
        /// The driver's error.
        #[source]
        source: Source,
    },
}

impl DbError {
    pub(crate) fn other(name: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Other {
            name,
            source: Arc::from(source.into()),
        }
    }

    pub(crate) const fn unavailable(reason: &'static str) -> Self {
        Self::Unavailable { reason, source: None }
    }

    pub(crate) fn unreachable(reason: &'static str, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable {
            reason,
            source: Some(Arc::new(source)),
        }
    }

    pub(crate) fn retry(reason: &'static str) -> Self {
        let source: Box<dyn StdError + Send + Sync> = reason.into();
        Self::Retry {
            source: Arc::from(source),
        }
    }

    /// What an error means if a commit was under way: without an answer the outcome is unknown.
    pub(crate) fn during_commit(self) -> Self {
        match self {
            Self::Unavailable { source: Some(_), .. } => Self::Unconfirmed,
            other => other,
        }
    }

    /// The error and its causes in one line, for the log.
    pub(crate) fn chain(&self) -> String {
        let mut out = self.to_string();
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            out = format!("{out}: {error}");
            cause = error.source();
        }
        out
    }

    /// The violated constraint, for turning a conflict into the domain's own error.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Unique { constraint, .. }
            | Self::ForeignKey { constraint, .. }
            | Self::Check { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    /// True if the constraint that was violated is this unique one.
    #[must_use]
    pub fn is_unique(&self, name: &str) -> bool {
        matches!(self, Self::Unique { constraint, .. } if constraint == name)
    }
}
