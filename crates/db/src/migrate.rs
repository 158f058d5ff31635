//! Numbered migrations with type tokens, checksums and a lock.

use crate::{DbConfig, DbError, Micros};

/// One migration: a change and the way back. The texts are embedded by the crate that owns the tables.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number; strictly increasing in the list.
    pub version: i64,
    /// Its name, as in the file's name.
    pub name: &'static str,
    /// The change.
    pub up: &'static str,
    /// The way back.
    pub down: &'static str,
}

/// A migration and whether it has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// When it was applied, if it was.
    pub applied_at: Option<Micros>,
}

/// Applies what is missing, in order, under a lock, each in a transaction of its own. Returns the versions applied.
///
/// # Errors
/// A changed or unknown applied migration; what a statement did, with the migration's name.
pub async fn up(_config: &DbConfig, _migrations: &[Migration], _now: Micros) -> Result<Vec<i64>, DbError> {
    Err(DbError::unavailable("migrations are not there yet"))
}

/// Takes back every applied migration above `target`, the latest first. Returns the versions taken back.
///
/// # Errors
/// As [`up`].
pub async fn down(_config: &DbConfig, _migrations: &[Migration], _target: i64) -> Result<Vec<i64>, DbError> {
    Err(DbError::unavailable("migrations are not there yet"))
}

/// Lists the migrations and which of them are applied.
///
/// # Errors
/// As [`up`].
pub async fn status(_config: &DbConfig, _migrations: &[Migration]) -> Result<Vec<Status>, DbError> {
    Err(DbError::unavailable("migrations are not there yet"))
}

/// Checks that the database is exactly at the last migration and that no applied one was changed since.
///
/// # Errors
/// Says which migration is missing, unknown or changed.
pub async fn check(_config: &DbConfig, _migrations: &[Migration]) -> Result<(), DbError> {
    Err(DbError::unavailable("migrations are not there yet"))
}
