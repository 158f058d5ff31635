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
use serde::Serialize;
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
        let assigned = self
            .db()
            .run(&ctx.scope(), vec![incidents::assign(ctx.workspace(), id, to)])
            .await?;
        if assigned != [1] {
            return Err(match incident.resolved_at {
                Some(_) => resolved(),
                None => FieldError::new("user_id", "no_member", "is no member of the workspace").into(),
            });
        }
        self.audit_incident(ctx, "incident.assigned", id, &json!({ "to": to }))
            .await?;
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
        let step = incidents::resolve(ctx.workspace(), id, resolution.trim(), self.now());
        if self.db().run(&ctx.scope(), vec![step]).await? != [1] {
            return Err(resolved());
        }
        self.audit_incident(ctx, "incident.resolved", id, &json!({}))
            .await?;
        self.incident(ctx, id).await
    }

    async fn audit_incident(
        &self,
        ctx: &Ctx,
        action: &str,
        id: IncidentId,
        details: &impl Serialize,
    ) -> Result<()> {
        let mut record = Record::new(self, ctx);
        record.audit(action, &id.to_string(), details)?;
        self.db().run(&ctx.scope(), record.steps).await?;
        Ok(())
    }
}

fn resolved() -> AppError {
    AppError::new(ErrorCode::InvalidTransition, "the incident is resolved")
}
