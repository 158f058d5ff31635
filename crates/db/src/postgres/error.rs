//! PostgreSQL's errors in our words.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

use crate::DbError;

pub(crate) fn classify(name: &'static str, error: tokio_postgres::Error) -> DbError {
    if error.is_closed() {
        return DbError::unreachable("the connection was lost", error);
    }
    let Some(state) = error.code().cloned() else {
        return DbError::other(name, error);
    };
    let detail = error.as_db_error();
    let constraint = detail
        .and_then(|e| e.constraint().or(e.column()))
        .unwrap_or_default()
        .to_owned();
    match state {
        SqlState::UNIQUE_VIOLATION => DbError::Unique {
            constraint,
            source: Arc::new(error),
        },
        SqlState::FOREIGN_KEY_VIOLATION => DbError::ForeignKey {
            constraint,
            source: Arc::new(error),
        },
        SqlState::CHECK_VIOLATION | SqlState::NOT_NULL_VIOLATION => DbError::Check {
            constraint,
            source: Arc::new(error),
        },
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => DbError::Retry {
            source: Arc::new(error),
        },
        SqlState::INSUFFICIENT_PRIVILEGE => DbError::Denied {
            source: Arc::new(error),
        },
        SqlState::DISK_FULL => DbError::Full {
            source: Arc::new(error),
        },
        SqlState::QUERY_CANCELED | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => DbError::Timeout,
        SqlState::IN_FAILED_SQL_TRANSACTION => DbError::UnitOver,
        SqlState::TOO_MANY_CONNECTIONS | SqlState::ADMIN_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            DbError::unreachable("the server turned the connection away", error)
        }
        _ => DbError::other(name, error),
    }
}
