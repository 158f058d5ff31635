//! Failed sign-ins by counter: the hash of a name or of an address. They belong to no tenant.

use db::{DbError, Read, Step};
use domain::ids::Timestamp;

use crate::bind::Columns;

db::statements! {
    /// Counts a failure; a window that has passed begins anew.
    COUNT = "sign_in_failures.count",
        "insert into sign_in_failures (counter, failures, since) values ($1, 1, $2)
         on conflict (counter) do update set
            failures = case when sign_in_failures.since < $3 then 1 else sign_in_failures.failures + 1 end,
            since = case when sign_in_failures.since < $3 then excluded.since else sign_in_failures.since end";
    /// Two counters.
    FIND = "sign_in_failures.find",
        "select counter, failures, since from sign_in_failures where (counter = $1 or counter = $2) and since >= $3";
    /// Removes counters whose window has passed, a batch at a time.
    PURGE = "sign_in_failures.purge",
        "delete from sign_in_failures where counter in (select counter from sign_in_failures where since < $1 limit $2) and since < $1";
    /// Forgets a counter.
    CLEAR = "sign_in_failures.clear", "delete from sign_in_failures where counter = $1";
}

/// A counter with a window that still runs.
#[derive(Clone, Debug)]
pub struct Failures {
    /// The hash of a name or of an address.
    pub counter: Vec<u8>,
    /// Failures within the window.
    pub count: i64,
    /// When the window began.
    pub since: Timestamp,
}

/// Counts a failure; a window that began before `since` begins anew.
#[must_use]
pub fn count(counter: [u8; 32], now: Timestamp, since: Timestamp) -> Step {
    (COUNT, bind![counter, now, since])
}

/// Those of two counters whose window began after `since`.
pub async fn find(
    read: &impl Read,
    counters: [[u8; 32]; 2],
    since: Timestamp,
) -> Result<Vec<Failures>, DbError> {
    let [first, second] = counters;
    let rows = read.all(FIND, bind![first, second, since]).await?;
    rows.iter()
        .map(|row| {
            Ok(Failures {
                counter: row.get("counter")?,
                count: row.get("failures")?,
                since: row.time("since")?,
            })
        })
        .collect()
}

/// Removes counters whose window began before `since`, at most `batch`.
#[must_use]
pub fn purge(since: Timestamp, batch: u32) -> Step {
    (PURGE, bind![since, batch])
}

/// Forgets a counter.
#[must_use]
pub fn clear(counter: [u8; 32]) -> Step {
    (CLEAR, bind![counter])
}
