//! Idempotency keys: which request came under a key, and the answer it got.

use db::{Db, JsonText, Read, Scope, statements};
use domain::ids::{Timestamp, UserId, WorkspaceId};

use crate::{Step, StoreError, bind::Columns};

statements! {
    // A key that is older than its life, or that belonged to a request that never ended, begins again.
    CLAIM = "idempotency_keys.claim", "
        insert into idempotency_keys (workspace_id, user_id, key, request_hash, created_at)
        values ($1, $2, $3, $4, $5)
        on conflict (workspace_id, user_id, key) do update
           set request_hash = excluded.request_hash, created_at = excluded.created_at, status = null, headers = null, body = null
         where idempotency_keys.created_at <= $6 or (idempotency_keys.status is null and idempotency_keys.created_at <= $7)
        returning key";
    FIND = "idempotency_keys.find", "
        select request_hash, status, headers, body
          from idempotency_keys
         where workspace_id = $1 and user_id = $2 and key = $3";
    ANSWER = "idempotency_keys.answer", "
        update idempotency_keys
           set status = $4, headers = $5, body = $6
         where workspace_id = $1 and user_id = $2 and key = $3 and status is null";
    RELEASE = "idempotency_keys.release", "
        delete from idempotency_keys
         where workspace_id = $1 and user_id = $2 and key = $3 and status is null";
    PURGE = "idempotency_keys.purge", "
        delete from idempotency_keys
         where (workspace_id, user_id, key) in (
                select workspace_id, user_id, key from idempotency_keys where created_at < $1 limit $2)";
}

/// A key of a user in a workspace.
#[derive(Clone, Debug)]
pub struct Key {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The user.
    pub user: UserId,
    /// The text the client chose.
    pub key: String,
    /// Hash of the request that came under it.
    pub request: [u8; 32],
}

/// What is kept of a request under a key.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Hash of the request.
    pub request: Vec<u8>,
    /// Its answer, once there is one.
    pub answer: Option<Answer>,
}

/// An answer to be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers that belong to the answer: names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Takes the key for this request; false if another request holds it or has been answered under it.
pub async fn claim(
    db: &Db,
    key: &Key,
    now: Timestamp,
    expired: Timestamp,
    abandoned: Timestamp,
) -> Result<bool, StoreError> {
    let args = bind![
        key.workspace,
        key.user,
        &key.key,
        key.request,
        now,
        expired,
        abandoned
    ];
    Ok(!db
        .returning(&Scope::workspace(key.workspace.uuid()), CLAIM, args)
        .await?
        .is_empty())
}

/// What is kept under the key.
pub async fn find(db: &impl Read, key: &Key) -> Result<Option<Kept>, StoreError> {
    let Some(row) = db
        .optional(FIND, bind![key.workspace, key.user, &key.key])
        .await?
    else {
        return Ok(None);
    };
    let request = row.get("request_hash")?;
    let answer = match row.get::<Option<i64>>("status")? {
        None => None,
        Some(status) => Some(Answer {
            status: u16::try_from(status).unwrap_or(500),
            headers: row.document("headers")?,
            body: row.get("body")?,
        }),
    };
    Ok(Some(Kept { request, answer }))
}

/// The step that keeps the answer.
#[must_use]
pub fn answer(key: &Key, answer: Answer) -> Step {
    let headers: JsonText = crate::bind::json(&answer.headers);
    let (status, body) = (i64::from(answer.status), answer.body);
    (
        ANSWER,
        bind![key.workspace, key.user, &key.key, status, headers, body],
    )
}

/// The step that frees the key of a request that changed nothing.
#[must_use]
pub fn release(key: &Key) -> Step {
    (RELEASE, bind![key.workspace, key.user, &key.key])
}

/// The step that removes keys older than a moment, at most `limit`.
#[must_use]
pub fn purge(before: Timestamp, limit: u32) -> Step {
    (PURGE, bind![before, limit])
}
