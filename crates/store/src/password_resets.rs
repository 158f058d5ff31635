//! Tokens by which a forgotten password is replaced. Stored as hashes, used once.

use db::{DbError, Read, Step};
use domain::ids::{Timestamp, UserId};

use crate::bind::Columns;

db::statements! {
    /// Adds a token.
    INSERT = "password_resets.insert",
        "insert into password_resets (token_hash, user_id, created_at, expires_at, used_at) values ($1, $2, $3, $4, null)";
    /// The user of a living token.
    FIND = "password_resets.find",
        "select user_id from password_resets where token_hash = $1 and used_at is null and expires_at > $2";
    /// The same, locked.
    LOCK = "password_resets.lock",
        "select user_id from password_resets where token_hash = $1 and used_at is null and expires_at > $2 {for_update}";
    /// Uses up all of a user's tokens.
    USE_ALL = "password_resets.use_all", "update password_resets set used_at = $2 where user_id = $1 and used_at is null";
    /// Removes old tokens, a batch at a time.
    PURGE = "password_resets.purge",
        "delete from password_resets where token_hash in (select token_hash from password_resets where expires_at < $1 limit $2)";
}

/// Adds a token.
#[must_use]
pub fn insert(hash: [u8; 32], user: UserId, now: Timestamp, expires_at: Timestamp) -> Step {
    (INSERT, bind![hash, user, now, expires_at])
}

/// The user of a token that is unused and not too old.
pub async fn find(read: &impl Read, hash: [u8; 32], now: Timestamp) -> Result<Option<UserId>, DbError> {
    read.optional(FIND, bind![hash, now])
        .await?
        .map(|row| row.id("user_id"))
        .transpose()
}

/// The user of a token that is unused and not too old, locked until the unit of work ends.
pub async fn lock(read: &impl Read, hash: [u8; 32], now: Timestamp) -> Result<Option<UserId>, DbError> {
    read.optional(LOCK, bind![hash, now])
        .await?
        .map(|row| row.id("user_id"))
        .transpose()
}

/// Uses up all of a user's tokens.
#[must_use]
pub fn use_all(user: UserId, now: Timestamp) -> Step {
    (USE_ALL, bind![user, now])
}

/// Removes tokens that ended before `before`, at most `batch`.
#[must_use]
pub fn purge(before: Timestamp, batch: u32) -> Step {
    (PURGE, bind![before, batch])
}
