//! What members did, in the workspace or in a circuit: lists and statistics.

use std::time::Duration;

use domain::{
    ids::{CircuitId, Timestamp},
    page::{Cursor, Page, PageRequest},
};
use store::activities::{self, ActionCount, Activity, ActivityFilter};

use crate::{App, AppError, Ctx, Result};

/// Span of statistics whose beginning is not given.
const DEFAULT_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);

impl App {
    /// What members of the workspace did, newest first; or in one circuit, by members of every workspace in it.
    ///
    /// # Errors
    /// Not found if the workspace takes no part in the circuit.
    pub async fn activities(
        &self,
        ctx: &Ctx,
        circuit: Option<CircuitId>,
        filter: &ActivityFilter,
        page: &PageRequest,
    ) -> Result<Page<Activity>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        let rows = match circuit {
            Some(circuit) => {
                self.check_takes_part(ctx, circuit).await?;
                activities::of_circuit(&db, ctx.workspace(), circuit, filter, after, page).await?
            }
            None => activities::of_workspace(&db, ctx.workspace(), filter, after, page).await?,
        };
        Ok(Page::cut(rows, page, |activity| Cursor::new("", activity.id)))
    }

    /// Counts what [`Self::activities`] lists.
    ///
    /// # Errors
    /// Not found if the workspace takes no part in the circuit.
    pub async fn count_activities(
        &self,
        ctx: &Ctx,
        circuit: Option<CircuitId>,
        filter: &ActivityFilter,
    ) -> Result<u64> {
        let scope = ctx.scope();
        let db = self.db().scoped(&scope);
        Ok(match circuit {
            Some(circuit) => {
                self.check_takes_part(ctx, circuit).await?;
                activities::count_of_circuit(&db, ctx.workspace(), circuit, filter).await?
            }
            None => activities::count_of_workspace(&db, ctx.workspace(), filter).await?,
        })
    }

    /// How often each action was done since a moment, by default within thirty days.
    ///
    /// # Errors
    /// Not found if the workspace takes no part in the circuit.
    pub async fn activity_stats(
        &self,
        ctx: &Ctx,
        circuit: Option<CircuitId>,
        since: Option<Timestamp>,
    ) -> Result<Vec<ActionCount>> {
        if let Some(circuit) = circuit {
            self.check_takes_part(ctx, circuit).await?;
        }
        let since = since.unwrap_or_else(|| self.now().minus(DEFAULT_SPAN));
        let scope = ctx.scope();
        Ok(activities::stats(&self.db().scoped_replica(&scope), ctx.workspace(), circuit, since).await?)
    }

    async fn check_takes_part(&self, ctx: &Ctx, circuit: CircuitId) -> Result<()> {
        let scope = ctx.scope();
        if activities::takes_part(&self.db().scoped(&scope), ctx.workspace(), circuit).await? {
            return Ok(());
        }
        Err(AppError::not_found("circuit"))
    }
}
