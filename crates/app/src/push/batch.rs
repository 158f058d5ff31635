//! Pushing many local items: each for itself, or all in one transaction.

use domain::{
    circuit::MAX_BATCH,
    ids::CircuitId,
    problem::{Extension, FieldError},
};

use super::{PushLocal, Pushed};
use crate::{App, AppError, Ctx, Result, local_items::check_content};

impl App {
    /// Pushes several local items. Each has a transaction of its own, or all share one (`atomic`).
    pub async fn push_batch(
        &self,
        ctx: &Ctx,
        circuit: CircuitId,
        pushes: &[PushLocal],
        atomic: bool,
    ) -> Result<Vec<Result<Pushed>>> {
        if pushes.is_empty() || pushes.len() > MAX_BATCH {
            let message = format!("must have 1 to {MAX_BATCH} entries");
            return Err(FieldError::new("items", "length", message).into());
        }
        if atomic {
            return self.push_atomic(ctx, circuit, pushes).await;
        }
        self.circuit(ctx, circuit).await?;
        let mut results = Vec::with_capacity(pushes.len());
        for push in pushes {
            results.push(self.push_local(ctx, circuit, push).await);
        }
        Ok(results)
    }

    async fn push_atomic(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        pushes: &[PushLocal],
    ) -> Result<Vec<Result<Pushed>>> {
        let tx = self.db().begin(&ctx.scope()).await?;
        let work = async {
            let (circuit, member) = self.circuit_in(&tx, ctx, id).await?;
            let mut done = Vec::with_capacity(pushes.len());
            for (index, push) in pushes.iter().enumerate() {
                let at = |error: AppError| error.with(Extension::Item, index);
                let asked = check_content(&push.identifiers, push.enriched_data.clone()).map_err(at)?;
                let outcome = self
                    .push_local_in(&tx, ctx, &circuit, &member, push, &asked)
                    .await
                    .map_err(at)?;
                done.push(Ok(outcome.done_or_undone().map_err(at)?));
            }
            Ok(done)
        };
        self.settle(ctx, self.finish(work.await, tx).await).await
    }
}
