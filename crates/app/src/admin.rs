//! What the people who run the platform do: accounts, tiers, credits, figures. Every change is in the action log.

use std::collections::HashSet;

use db::Scope;
use domain::{
    credits::{Movement, MovementKind},
    identity::UserStatus,
    ids::{MovementId, UserId, WorkspaceId},
    page::{Cursor, Page, PageRequest},
    problem::FieldError,
    tier::Tier,
};
use serde_json::{Value as Json, json};
use store::{
    Step,
    admin::{self, AdminAction},
    credits::{self, Note},
    usage,
    users::{self, Account},
    workspaces::{self, Workspace},
};

use crate::{
    App, AppError, Ctx, Result,
    identity::{Register, Registered},
    limits,
};

/// Most users of one bulk grant.
const MOST_GRANTS: usize = 1_000;
/// Longest reason, in characters.
const MOST_REASON: usize = 500;

/// The use cases of administration. The edge admits platform administrators only, and [`Admin::scope`] checks again.
#[derive(Clone, Copy)]
pub struct Admin<'a> {
    app: &'a App,
}

impl App {
    /// Administration of the deployment.
    #[must_use]
    pub const fn admin(&self) -> Admin<'_> {
        Admin { app: self }
    }
}

impl Admin<'_> {
    /// Administration sees every tenant.
    fn scope(ctx: &Ctx) -> Result<Scope> {
        if ctx.caller.platform_admin {
            return Ok(ctx.system_scope());
        }
        Err(AppError::forbidden(
            "only the people who run the platform may do this",
        ))
    }

    /// Accounts, newest first.
    ///
    /// # Errors
    /// Forbidden; a cursor of another list.
    pub async fn users(
        &self,
        ctx: &Ctx,
        filter: &users::Filter,
        page: &PageRequest,
    ) -> Result<Page<Account>> {
        let scope = Self::scope(ctx)?;
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let rows = users::list(&self.app.db().scoped(&scope), filter, page, after).await?;
        Ok(Page::cut(rows, page, |account| Cursor::new("", account.user.id)))
    }

    /// Number of accounts that match.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn user_count(&self, ctx: &Ctx, filter: &users::Filter) -> Result<u64> {
        let scope = Self::scope(ctx)?;
        Ok(users::count(&self.app.db().scoped(&scope), filter)
            .await?
            .max(0)
            .cast_unsigned())
    }

    /// One account.
    ///
    /// # Errors
    /// Forbidden; not found.
    pub async fn user(&self, ctx: &Ctx, id: UserId) -> Result<Account> {
        let scope = Self::scope(ctx)?;
        users::find(&self.app.db().scoped(&scope), id)
            .await?
            .ok_or_else(|| AppError::not_found("user"))
    }

    /// Makes an account with a workspace of this tier.
    ///
    /// # Errors
    /// Forbidden; the errors of a registration.
    pub async fn create_user(&self, ctx: &Ctx, command: Register, tier: Tier) -> Result<Registered> {
        let scope = Self::scope(ctx)?;
        let action = self.action(ctx, "user.create", &command.username, json!({ "tier": tier }));
        self.app
            .identity()
            .create_account(&scope, command, tier, false, vec![action])
            .await
    }

    /// Freezes an account: its next request is refused, whatever credential it comes with.
    ///
    /// # Errors
    /// Forbidden; not found; conflict for the caller's own account.
    pub async fn freeze(&self, ctx: &Ctx, id: UserId, reason: &str) -> Result<Account> {
        if id == ctx.user() {
            return Err(AppError::conflict("nobody freezes the own account"));
        }
        self.set_status(ctx, id, UserStatus::Suspended, "user.freeze", reason)
            .await
    }

    /// Lets a frozen account act again.
    ///
    /// # Errors
    /// Forbidden; not found.
    pub async fn unfreeze(&self, ctx: &Ctx, id: UserId, reason: &str) -> Result<Account> {
        self.set_status(ctx, id, UserStatus::Active, "user.unfreeze", reason)
            .await
    }

    async fn set_status(
        &self,
        ctx: &Ctx,
        id: UserId,
        status: UserStatus,
        action: &str,
        reason: &str,
    ) -> Result<Account> {
        let scope = Self::scope(ctx)?;
        check_reason(reason)?;
        self.user(ctx, id).await?;
        let log = self.action(ctx, action, &id.to_string(), json!({ "reason": reason }));
        self.app
            .db()
            .run(&scope, vec![users::set_status(id, status, self.app.now()), log])
            .await?;
        self.user(ctx, id).await
    }

    /// Changes the tier of a user's home workspace.
    ///
    /// # Errors
    /// Forbidden; not found.
    pub async fn set_user_tier(&self, ctx: &Ctx, id: UserId, tier: Tier) -> Result<Account> {
        let account = self.user(ctx, id).await?;
        self.set_workspace_tier(ctx, account.user.home_workspace_id, tier)
            .await?;
        self.user(ctx, id).await
    }

    /// Workspaces, newest first, of a tier and with a part of the name if asked.
    ///
    /// # Errors
    /// Forbidden; a cursor of another list.
    pub async fn workspaces(
        &self,
        ctx: &Ctx,
        tier: Option<Tier>,
        text: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<Workspace>> {
        let scope = Self::scope(ctx)?;
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let rows = workspaces::list(&self.app.db().scoped(&scope), tier, text, page, after).await?;
        Ok(Page::cut(rows, page, |workspace| Cursor::new("", workspace.id)))
    }

    /// Number of workspaces that match.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn workspace_count(&self, ctx: &Ctx, tier: Option<Tier>, text: Option<&str>) -> Result<u64> {
        let scope = Self::scope(ctx)?;
        Ok(workspaces::count(&self.app.db().scoped(&scope), tier, text).await?)
    }

    /// One workspace.
    ///
    /// # Errors
    /// Forbidden; not found.
    pub async fn workspace(&self, ctx: &Ctx, id: WorkspaceId) -> Result<Workspace> {
        let scope = Self::scope(ctx)?;
        workspaces::find(&self.app.db().scoped(&scope), id)
            .await?
            .ok_or_else(|| AppError::not_found("workspace"))
    }

    /// Changes a workspace's tier. The counters of its limits are set to what is there, because tiers without a limit
    /// do not count.
    ///
    /// # Errors
    /// Forbidden; not found.
    pub async fn set_workspace_tier(&self, ctx: &Ctx, id: WorkspaceId, tier: Tier) -> Result<Workspace> {
        let scope = Self::scope(ctx)?;
        self.workspace(ctx, id).await?;
        let (month, start) = limits::month(self.app.now());
        let mut steps = vec![workspaces::set_tier(id, tier)];
        steps.extend(usage::recount(id, &month, start));
        steps.push(self.action(ctx, "workspace.tier", &id.to_string(), json!({ "tier": tier })));
        self.app.db().run(&scope, steps).await?;
        self.workspace(ctx, id).await
    }

    /// Gives credits to a user's home workspace. Returns the balance.
    ///
    /// # Errors
    /// Forbidden; not found; an amount out of range.
    pub async fn grant(&self, ctx: &Ctx, id: UserId, amount: u64, reason: &str) -> Result<i64> {
        let account = self.user(ctx, id).await?;
        self.grant_many(ctx, &[id], amount, reason).await?;
        let scope = Self::scope(ctx)?;
        Ok(credits::balance(&self.app.db().scoped(&scope), account.user.home_workspace_id).await?)
    }

    /// Gives credits to the home workspaces of many users, all or none.
    ///
    /// # Errors
    /// Forbidden; a field error for each user who does not exist or is named before; an amount out of range; too many users.
    pub async fn grant_many(&self, ctx: &Ctx, ids: &[UserId], amount: u64, reason: &str) -> Result<()> {
        let scope = Self::scope(ctx)?;
        check_reason(reason)?;
        if ids.is_empty() || ids.len() > MOST_GRANTS {
            return Err(FieldError::new(
                "user_ids",
                "length",
                format!("must name 1 to {MOST_GRANTS} users"),
            )
            .into());
        }
        let (mut steps, mut wrong, mut paid) = (Vec::new(), Vec::new(), HashSet::new());
        let homes = users::homes(&self.app.db().scoped(&scope), ids).await?;
        for (index, id) in ids.iter().enumerate() {
            let field = || format!("user_ids[{index}]");
            match homes.get(id) {
                Some(home) if paid.insert(id) => {
                    steps.extend(self.grant_steps(ctx, *home, amount, reason)?);
                }
                Some(_) => wrong.push(FieldError::new(
                    field(),
                    "duplicate",
                    "the user is named twice: name each once",
                )),
                None => wrong.push(FieldError::new(field(), "unknown_user", "there is no such user")),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong.into());
        }
        let details = json!({ "user_ids": ids, "amount": amount, "reason": reason });
        steps.push(self.action(ctx, "credits.grant", &format!("{} users", ids.len()), details));
        self.app.db().run(&scope, steps).await?;
        Ok(())
    }

    fn grant_steps(&self, ctx: &Ctx, workspace: WorkspaceId, amount: u64, reason: &str) -> Result<Vec<Step>> {
        let movement = Movement::new(MovementKind::Grant, workspace, amount)?;
        let id = MovementId::generate(self.app.ids());
        let note = Note {
            id,
            operation: "grant",
            reference: reason,
            by: Some(ctx.user()),
            now: self.app.now(),
        };
        Ok(credits::movement(&movement, &note))
    }

    /// The deployment's figures, by name.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn statistics(&self, ctx: &Ctx) -> Result<Vec<(&'static str, i64)>> {
        let scope = Self::scope(ctx)?;
        Ok(admin::statistics(&self.app.db().scoped(&scope), self.app.now()).await?)
    }

    /// The sum of each account of the ledger; together they are zero.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn ledger(&self, ctx: &Ctx) -> Result<Vec<(String, i64)>> {
        let scope = Self::scope(ctx)?;
        Ok(credits::totals(&self.app.db().scoped(&scope)).await?)
    }

    /// What administrators did, newest first.
    ///
    /// # Errors
    /// Forbidden; a cursor of another list.
    pub async fn actions(
        &self,
        ctx: &Ctx,
        action: Option<&str>,
        actor: Option<UserId>,
        page: &PageRequest,
    ) -> Result<Page<AdminAction>> {
        let scope = Self::scope(ctx)?;
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let rows = admin::list(&self.app.db().scoped(&scope), action, actor, page, after).await?;
        Ok(Page::cut(rows, page, |action| Cursor::new("", action.id)))
    }

    /// Number of actions that match.
    ///
    /// # Errors
    /// Forbidden.
    pub async fn action_count(&self, ctx: &Ctx, action: Option<&str>, actor: Option<UserId>) -> Result<u64> {
        let scope = Self::scope(ctx)?;
        Ok(admin::count(&self.app.db().scoped(&scope), action, actor).await?)
    }

    fn action(&self, ctx: &Ctx, action: &str, target: &str, details: Json) -> Step {
        admin::insert(&AdminAction {
            id: self.app.ids().uuid(),
            actor_id: ctx.user(),
            action: action.to_owned(),
            target: target.to_owned(),
            details,
            created_at: self.app.now(),
        })
    }
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.chars().count() > MOST_REASON {
        return Err(FieldError::new(
            "reason",
            "too_long",
            format!("must have at most {MOST_REASON} characters"),
        )
        .into());
    }
    Ok(())
}
