//! The audit trail and security incidents. Entries are written by the server only; rules open incidents from them.

mod refusals;
mod report;
mod retention;
mod rules;

use domain::{
    ids::{IncidentId, UserId},
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
pub(crate) use refusals::Refusals;
pub use refusals::{Refusal, RefusalStats, Refused};
pub use report::ComplianceReport;
pub use rules::{BREACH, OPENED, RULES, Rule, Subject};
use serde_json::json;
use store::{
    audit::{self, AuditFilter, AuditRecord},
    incidents::{self, Incident},
};

use crate::{App, AppError, Ctx, Record, Result};

/// Longest resolution, in characters.
const MAX_RESOLUTION: usize = 2_000;

impl App {
    /// Lists the workspace's audit entries, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn audit_records(
        &self,
        ctx: &Ctx,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.scope();
        let rows = audit::list(&self.db().scoped(&scope), ctx.workspace(), filter, after, page).await?;
        Ok(Page::cut(rows, page, |record| Cursor::new("", record.id)))
    }

    /// Counts what [`Self::audit_records`] lists.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn count_audit_records(&self, ctx: &Ctx, filter: &AuditFilter) -> Result<u64> {
        let scope = ctx.scope();
        Ok(audit::count(&self.db().scoped(&scope), ctx.workspace(), filter).await?)
    }

    /// Lists the workspace's incidents, newest first.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn incidents(
        &self,
        ctx: &Ctx,
        state: Option<&str>,
        rule: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Incident>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.scope();
        let rows = incidents::list(
            &self.db().scoped(&scope),
            ctx.workspace(),
            state,
            rule,
            after,
            page,
        )
        .await?;
        Ok(Page::cut(rows, page, |incident| Cursor::new("", incident.id)))
    }

    /// Counts what [`Self::incidents`] lists.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn count_incidents(&self, ctx: &Ctx, state: Option<&str>, rule: Option<&str>) -> Result<u64> {
        let scope = ctx.scope();
        Ok(incidents::count(&self.db().scoped(&scope), ctx.workspace(), state, rule).await?)
    }

    /// Reads an incident of the workspace.
    ///
    /// # Errors
    /// Not found if there is none.
    pub async fn incident(&self, ctx: &Ctx, id: IncidentId) -> Result<Incident> {
        let scope = ctx.scope();
        let found = incidents::find(&self.db().scoped(&scope), ctx.workspace(), id).await?;
        found.ok_or_else(|| AppError::not_found("incident"))
    }

    /// Gives an incident to a member of the workspace.
    ///
    /// # Errors
    /// Invalid if the user is no member; invalid transition if the incident is resolved.
    pub async fn assign_incident(&self, ctx: &Ctx, id: IncidentId, to: UserId) -> Result<Incident> {
        let incident = self.incident(ctx, id).await?;
        let refused = match incident.resolved_at {
            Some(_) => resolved(),
            None => FieldError::new("user_id", "no_member", "is no member of the workspace").into(),
        };
        let mut record = Record::new(self, ctx);
        record.steps.push(incidents::assign(ctx.workspace(), id, to));
        record.audit("incident.assigned", &id.to_string(), &json!({ "to": to }))?;
        self.run_if_first(&ctx.scope(), record.steps, refused).await?;
        self.incident(ctx, id).await
    }

    /// Resolves an incident, saying what came of it.
    ///
    /// # Errors
    /// Invalid transition if it is resolved.
    pub async fn resolve_incident(&self, ctx: &Ctx, id: IncidentId, resolution: &str) -> Result<Incident> {
        let length = resolution.trim().chars().count();
        if !(1..=MAX_RESOLUTION).contains(&length) {
            let message = format!("must have 1 to {MAX_RESOLUTION} characters");
            return Err(FieldError::new("resolution", "length", message).into());
        }
        self.incident(ctx, id).await?;
        let mut record = Record::new(self, ctx);
        let step = incidents::resolve(ctx.workspace(), id, resolution.trim(), record.now);
        record.steps.push(step);
        record.audit("incident.resolved", &id.to_string(), &json!({}))?;
        self.run_if_first(&ctx.scope(), record.steps, resolved()).await?;
        self.incident(ctx, id).await
    }
}

fn resolved() -> AppError {
    AppError::new(ErrorCode::InvalidTransition, "the incident is resolved")
}
