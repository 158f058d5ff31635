//! Facts of the deployment itself, by name: the set-up token's hash, the signing key.

use db::{DbError, Read, Step};
use domain::ids::Timestamp;

use crate::bind::Columns;

db::statements! {
    /// A fact.
    GET = "deployment.get", "select value from deployment where name = $1";
    /// Adds a fact unless it is there.
    PUT_IF_ABSENT = "deployment.put_if_absent",
        "insert into deployment (name, value, updated_at) values ($1, $2, $3) on conflict (name) do nothing";
    /// Sets a fact.
    PUT = "deployment.put",
        "insert into deployment (name, value, updated_at) values ($1, $2, $3)
         on conflict (name) do update set value = excluded.value, updated_at = excluded.updated_at";
    /// Notes that a one-time fact was used; fails if it is another by now, or was used before.
    CLAIM = "deployment.claim",
        "insert into deployment (name, value, updated_at)
         values ($1 || ':used', (select value from deployment where name = $1 and value = $2), $3)";
}

/// A fact, if it is there.
pub async fn get(read: &impl Read, name: &str) -> Result<Option<String>, DbError> {
    read.optional(GET, bind![name])
        .await?
        .map(|row| row.text("value"))
        .transpose()
}

/// Adds a fact unless it is there; whoever comes second reads the first one's.
#[must_use]
pub fn put_if_absent(name: &str, value: &str, now: Timestamp) -> Step {
    (PUT_IF_ABSENT, bind![name, value, now])
}

/// Sets a fact.
#[must_use]
pub fn put(name: &str, value: &str, now: Timestamp) -> Step {
    (PUT, bind![name, value, now])
}

/// Notes that a one-time fact with this value was used.
///
/// Ends its unit of work if the fact has another value by now ([`DbError::Check`]) or was used before
/// ([`DbError::Unique`]).
#[must_use]
pub fn claim(name: &str, value: &str, now: Timestamp) -> Step {
    (CLAIM, bind![name, value, now])
}
