//! Credits: what an operation costs is debited in the operation's own unit of work, and goes back if it fails later.

use db::DbError;
use domain::{
    credits::{CostedOperation, Movement, MovementKind},
    ids::{MovementId, OperationId, WorkspaceId},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, Extension},
};
use store::{
    Step, credits,
    credits::{HistoryEntry, Note},
    jobs::Job,
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
        let id = MovementId::generate(self.app.ids());
        let steps = self.debit_steps(ctx, (operation, cost), id, reference)?;
        Ok((!steps.is_empty()).then_some(Debit { id, steps }))
    }

    /// The steps of the debit for a circuit's operation; none if it costs nothing. [`Self::refund_step`] gives it back.
    pub(crate) fn debit_operation(
        &self,
        ctx: &Ctx,
        operation: CostedOperation,
        id: OperationId,
    ) -> Result<Vec<Step>> {
        let cost = self.cost(ctx, operation);
        let movement = MovementId::from(id.uuid());
        self.debit_steps(ctx, (operation, cost), movement, &id.to_string())
    }

    fn debit_steps(
        &self,
        ctx: &Ctx,
        (operation, cost): (CostedOperation, u64),
        id: MovementId,
        reference: &str,
    ) -> Result<Vec<Step>> {
        if cost == 0 {
            return Ok(Vec::new());
        }
        let movement = Movement::new(MovementKind::Debit, ctx.workspace(), cost)?;
        let note = self.note(ctx, id, operation.as_str(), reference);
        Ok(credits::movement(&movement, &note))
    }

    /// The step that gives back what a circuit's operation cost the workspace that asked for it, if it cost anything.
    pub(crate) fn refund_step(&self, ctx: &Ctx, workspace: WorkspaceId, operation: OperationId) -> Step {
        let id = MovementId::generate(self.app.ids());
        let debit = MovementId::from(operation.uuid());
        credits::refund(workspace, debit, &self.note(ctx, id, "", ""))
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

    /// Gives back what a job cost when it was asked for the last time, if nothing came of it and it cost anything. To
    /// be run in the unit of work that ends the job.
    pub(crate) async fn refund_job(&self, tx: &db::Tx, job: &Job) -> Result<()> {
        let Some(debit) = credits::debit_of_lost_job(tx, job.workspace, job.id).await? else {
            return Ok(());
        };
        let note = Note {
            id: MovementId::generate(self.app.ids()),
            operation: "",
            reference: "",
            by: Some(job.created_by),
            now: self.app.now(),
        };
        tx.pipeline(vec![credits::refund(job.workspace, debit, &note)])
            .await?;
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

    /// The same for the error of a use case.
    pub(crate) async fn explain_refusal(
        &self,
        ctx: &Ctx,
        operation: CostedOperation,
        error: AppError,
    ) -> AppError {
        match error.source {
            Some(source) if lacked_cover(&source) => self.explain(ctx, operation, 1, source).await,
            source => AppError { source, ..error },
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

    /// Counts them.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn history_count(&self, ctx: &Ctx) -> Result<u64> {
        let scope = ctx.scope();
        Ok(credits::count(&self.app.db().scoped(&scope), ctx.workspace()).await?)
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
        .with(Extension::Cost, cost)
        .with(Extension::Balance, balance)
}
