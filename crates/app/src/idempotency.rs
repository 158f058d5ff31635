//! Idempotency keys: a request that comes again under its key gets the answer it got the first time.

use std::time::Duration;

use domain::problem::{ErrorCode, FieldError};
use store::idempotency::{self, Key};
pub use store::idempotency::{Answer, Key as IdempotencyKey};

use crate::{App, AppError, Ctx, Result};

/// How long an answer is kept.
pub const LIFE: Duration = Duration::from_secs(24 * 3600);
/// A request without an answer for so long has died with its process; longer than any request may take.
const ABANDONED: Duration = Duration::from_secs(120);
/// Longest key, in characters.
const MAX_KEY: usize = 255;

/// What to do with a request under a key.
#[derive(Debug)]
pub enum Begin {
    /// Carry it out, then keep its answer or free the key.
    Run(Key),
    /// Give this answer again.
    Replay(Answer),
}

impl App {
    /// Takes a key for a request, or finds what the same request was answered.
    ///
    /// # Errors
    /// Idempotency mismatch if another request came under the key; in progress if the same one still runs.
    pub async fn begin_idempotent(&self, ctx: &Ctx, key: &str, request: [u8; 32]) -> Result<Begin> {
        if !(1..=MAX_KEY).contains(&key.chars().count()) || key.chars().any(char::is_control) {
            let message = format!("must have 1 to {MAX_KEY} characters, none of them a control character");
            return Err(FieldError::new("Idempotency-Key", "malformed", message).into());
        }
        let key = Key { workspace: ctx.workspace(), user: ctx.user(), key: key.to_owned(), request };
        let now = self.now();
        if idempotency::claim(self.db(), &key, now, now.minus(LIFE), now.minus(ABANDONED)).await? {
            return Ok(Begin::Run(key));
        }
        let scope = ctx.scope();
        let in_progress = || {
            let message = "a request with the same idempotency key has not finished; retry after it has";
            AppError::new(ErrorCode::IdempotencyInProgress, message).with("retry_after_seconds", 1)
        };
        // Gone between the two statements: the first request failed just now and freed it.
        let kept = idempotency::find(&self.db().scoped(&scope), &key).await?.ok_or_else(in_progress)?;
        if kept.request != request {
            let message = "the idempotency key was used for another request within 24 hours; use a new key";
            return Err(AppError::new(ErrorCode::IdempotencyMismatch, message));
        }
        kept.answer.map(Begin::Replay).ok_or_else(in_progress)
    }

    /// Keeps the answer of a request that was carried out.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn keep_answer(&self, key: &Key, answer: Answer) -> Result<()> {
        let scope = db::Scope::workspace(key.workspace.uuid());
        self.db().run(&scope, vec![idempotency::answer(key, answer)]).await?;
        Ok(())
    }

    /// Frees the key of a request that was refused, so that it can be tried again.
    ///
    /// # Errors
    /// If the database refuses; the key then frees itself after two minutes.
    pub async fn free_key(&self, key: &Key) -> Result<()> {
        let scope = db::Scope::workspace(key.workspace.uuid());
        self.db().run(&scope, vec![idempotency::release(key)]).await?;
        Ok(())
    }
}
