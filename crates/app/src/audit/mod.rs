//! The audit trail and security incidents. Entries are written by the server only; rules open incidents from them.

mod rules;

use domain::{
    ids::{AuditId, IncidentId, Timestamp, UserId, WorkspaceId},
    leaf::LeafKind,
    page::{Cursor, Page, PageRequest},
    problem::{ErrorCode, FieldError},
};
pub use rules::{RULES, Rule};
use serde::Serialize;
use serde_json::json;
use store::{
    audit::{self, AuditFilter, AuditRecord, OutcomeCount},
    bind,
    incidents::{self, Incident},
    records::{self, NewAudit},
};

use crate::{App, AppError, Ctx, Record, Result};

/// Longest resolution, in characters.
const MAX_RESOLUTION: usize = 2_000;

/// An attempt that was refused: by whom, on what, from where.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    /// The workspace it concerns.
    pub workspace: WorkspaceId,
    /// Who tried, if known.
    pub actor: Option<UserId>,
    /// What was tried: `auth.login`, `access`, `api_key.use` are what the rules look at.
    pub action: &'a str,
    /// On what.
    pub target: &'a str,
    /// From where.
    pub address: &'a str,
}

impl App {
    /// Notes a refused attempt in the audit trail, with its leaf.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn audit_refusal(&self, refusal: Refusal<'_>, details: &impl Serialize) -> Result<()> {
        let (id, now) = (AuditId::generate(self.ids()), self.now());
        let payload = json!({
            "id": id, "actor": refusal.actor, "action": refusal.action, "target": refusal.target,
            "outcome": "denied", "details": details,
        });
        let (leaf, step) =
            self.leaf_step(refusal.workspace, LeafKind::Audit, &id.to_string(), &payload, now)?;
        let entry = NewAudit {
            workspace: refusal.workspace,
            id,
            actor: refusal.actor,
            action: refusal.action,
            target: refusal.target,
            outcome: "denied",
            address: refusal.address,
            details: bind::json(details),
            leaf,
        };
        let steps = vec![step, records::insert_audit(entry, now)];
        self.db()
            .run(&db::Scope::workspace(refusal.workspace.uuid()), steps)
            .await?;
        Ok(())
    }

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

    /// Counts the workspace's audit entries of a span by action and outcome.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn audit_summary(
        &self,
        ctx: &Ctx,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<OutcomeCount>> {
        let scope = ctx.scope();
        Ok(audit::summary(&self.db().scoped_replica(&scope), ctx.workspace(), from, to).await?)
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
