//! Credits: what an operation costs is debited in the operation's own unit of work, and goes back if it fails later.

use db::DbError;
use domain::{
    credits::{CostedOperation, Movement, MovementKind},
    ids::MovementId,
    page::{Cursor, Page, PageRequest},
    problem::ErrorCode,
};
use store::{
    Step, credits,
    credits::{HistoryEntry, Note},
};

use crate::{App, AppError, Ctx, Result};

/// The use cases of credits.
#[derive(Clone, Copy)]
pub struct Credits<'a> {
    app: &'a App,
}

impl App {
    /// Credits.
    #[must_use]
    pub const fn credits(&self) -> Credits<'_> {
        Credits { app: self }
    }
}

/// The steps of a debit, and the id by which it can be refunded.
pub struct Debit {
    /// The movement.
    pub id: MovementId,
    /// To be run in the operation's own unit of work.
    pub steps: Vec<Step>,
}

impl Credits<'_> {
    /// What an operation costs the caller's workspace.
    #[must_use]
    pub fn cost(&self, ctx: &Ctx, operation: CostedOperation) -> u64 {
        self.app
            .parts
            .identity
            .config()
            .costs
            .cost(operation, ctx.caller.tier)
    }

    /// The debit for `times` operations; none if they cost nothing. Give the unit's error to [`Self::explain`].
    ///
    /// # Errors
    /// If the price of so many is beyond the largest movement.
    pub fn debit(
        &self,
        ctx: &Ctx,
        operation: CostedOperation,
        times: u64,
        reference: &str,
    ) -> Result<Option<Debit>> {
        let cost = self.cost(ctx, operation).saturating_mul(times);
        if cost == 0 {
            return Ok(None);
        }
        let movement = Movement::new(MovementKind::Debit, ctx.workspace(), cost)?;
        let id = MovementId::generate(self.app.ids());
        let note = self.note(ctx, id, operation.as_str(), reference);
        Ok(Some(Debit {
            id,
            steps: credits::movement(&movement, &note),
        }))
    }

    /// Gives a debit back after its operation failed; a second time does nothing.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn refund(&self, ctx: &Ctx, debit: MovementId) -> Result<()> {
        let id = MovementId::generate(self.app.ids());
        let step = credits::refund(ctx.workspace(), debit, &self.note(ctx, id, "", ""));
        self.app.db().run(&ctx.scope(), vec![step]).await?;
        Ok(())
    }

    /// Turns the error of a unit of work that debited `operation` into an answer: the cost and the balance.
    /// Another error stays what it is.
    pub async fn explain(
        &self,
        ctx: &Ctx,
        operation: CostedOperation,
        times: u64,
        error: DbError,
    ) -> AppError {
        if !lacked_cover(&error) {
            return error.into();
        }
        let cost = self.cost(ctx, operation).saturating_mul(times);
        match self.balance(ctx).await {
            Ok(balance) => insufficient(cost, balance),
            Err(error) => error,
        }
    }

    /// The balance of the caller's workspace: the sum of its entries.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn balance(&self, ctx: &Ctx) -> Result<i64> {
        let scope = ctx.scope();
        Ok(credits::balance(&self.app.db().scoped(&scope), ctx.workspace()).await?)
    }

    /// The movements of the caller's workspace, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn history(&self, ctx: &Ctx, page: &PageRequest) -> Result<Page<HistoryEntry>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.scope();
        let rows = credits::history(&self.app.db().scoped(&scope), ctx.workspace(), page, after).await?;
        Ok(Page::cut(rows, page, |entry| Cursor::new("", entry.id)))
    }

    fn note<'n>(&self, ctx: &Ctx, id: MovementId, operation: &'n str, reference: &'n str) -> Note<'n> {
        Note {
            id,
            operation,
            reference,
            by: Some(ctx.user()),
            now: self.app.now(),
        }
    }
}

/// Whether the error is a debit that the balance does not cover.
#[must_use]
pub fn lacked_cover(error: &DbError) -> bool {
    matches!(error, DbError::Check { constraint, .. } if constraint == credits::COVERED)
}

fn insufficient(cost: u64, balance: i64) -> AppError {
    let message = format!("the operation costs {cost} credits and the balance is {balance}");
    AppError::new(ErrorCode::InsufficientCredits, message)
        .with("cost", cost)
        .with("balance", balance)
}
