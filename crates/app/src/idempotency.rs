//! Idempotency keys: a request that comes again under its key gets the answer it got the first time.

use std::time::Duration;

use store::idempotency::{self, Key};
pub use store::idempotency::{Answer, Key as IdempotencyKey};

use crate::{App, Result};

/// How long an answer is kept.
pub const LIFE: Duration = Duration::from_secs(24 * 3600);
/// A request without an answer for so long has died with its process; longer than any request may take.
const ABANDONED: Duration = Duration::from_secs(120);

/// What to do with a request under a key.
#[derive(Debug)]
pub enum Begin {
    /// Nothing was known: the request is the caller's to carry out.
    Run,
    /// The same request is being carried out.
    Running,
    /// Another request used the key.
    Mismatch,
    /// The same request was carried out.
    Replay(Answer),
}

impl App {
    /// Takes a key for a request, or says what is known of it.
    pub async fn begin_idempotent(&self, key: &Key) -> Result<Begin> {
        let now = self.now();
        if idempotency::claim(self.db(), key, now, now.minus(LIFE), now.minus(ABANDONED)).await? {
            return Ok(Begin::Run);
        }
        let scope = db::Scope::workspace(key.workspace.uuid());
        Ok(match idempotency::find(&self.db().scoped(&scope), key).await? {
            // Gone between the two statements: the first request failed just now and freed it.
            None => Begin::Running,
            Some(kept) if kept.request != key.request => Begin::Mismatch,
            Some(kept) => kept.answer.map_or(Begin::Running, Begin::Replay),
        })
    }

    /// Keeps the answer to a request that ended well.
    pub async fn keep_answer(&self, key: &Key, answer: Answer) -> Result<()> {
        let scope = db::Scope::workspace(key.workspace.uuid());
        self.db()
            .run(&scope, vec![idempotency::answer(key, answer)])
            .await?;
        Ok(())
    }

    /// Gives the key back: the request changed nothing.
    pub async fn free_key(&self, key: &Key) -> Result<()> {
        let scope = db::Scope::workspace(key.workspace.uuid());
        self.db().run(&scope, vec![idempotency::release(key)]).await?;
        Ok(())
    }
}
