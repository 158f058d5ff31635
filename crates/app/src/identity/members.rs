//! Members of the caller's workspace. Nobody gives, changes or takes away a role above the own; one owner stays.

use domain::{
    identity::Role,
    ids::UserId,
    page::{Cursor, Page, PageRequest},
    problem::FieldError,
    tier::Limit,
};
use serde_json::json;
use store::{api_keys, members, members::Member, sessions, users};

use super::{Identity, workspaces::changed};
use crate::{AppError, Ctx, Record, Result};

// Users belong to no tenant, so members are joined in the system's scope; every statement names the workspace.

impl Identity<'_> {
    /// The members, in a stable order.
    ///
    /// # Errors
    /// A cursor of another list.
    pub async fn members(&self, ctx: &Ctx, page: &PageRequest) -> Result<Page<Member>> {
        let after = page.after.as_ref().map(Cursor::id).transpose()?;
        let scope = ctx.system_scope();
        let rows = members::list(&self.app.db().scoped(&scope), ctx.workspace(), page, after).await?;
        Ok(Page::cut(rows, page, |member| Cursor::new("", member.user_id)))
    }

    /// Number of members.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn member_count(&self, ctx: &Ctx) -> Result<u64> {
        let scope = ctx.system_scope();
        let count = members::count(&self.app.db().scoped(&scope), ctx.workspace()).await?;
        Ok(count.max(0).cast_unsigned())
    }

    /// One member.
    ///
    /// # Errors
    /// Not found.
    pub async fn member(&self, ctx: &Ctx, user: UserId) -> Result<Member> {
        let scope = ctx.system_scope();
        let found = members::find(&self.app.db().scoped(&scope), ctx.workspace(), user).await?;
        found.ok_or_else(|| AppError::not_found("member"))
    }

    /// Takes a registered user, by username or address, into the workspace.
    ///
    /// # Errors
    /// Forbidden for a role above the caller's; unknown user; conflict if already a member; limit of the tier.
    pub async fn add_member(&self, ctx: &Ctx, name: &str, role: Role) -> Result<Member> {
        may_assign(ctx, role)?;
        let scope = ctx.system_scope();
        let found = users::find_id(&self.app.db().scoped(&scope), &name.trim().to_ascii_lowercase()).await?;
        let user = found
            .ok_or_else(|| FieldError::new("user", "unknown_user", "nobody has this username or address"))?;
        let mut steps = vec![members::insert(ctx.workspace(), user, role, self.app.now())];
        steps.extend(self.app.limits().count(ctx, Limit::Members, 1));
        steps.extend(self.trail(ctx, "member.added", &user.to_string(), &json!({ "role": role }))?);
        match self.app.db().run(&scope, steps).await {
            Ok(_) => self.member(ctx, user).await,
            Err(error)
                if error.is_unique("members_pkey") || error.is_unique("members_workspace_id_user_id_key") =>
            {
                Err(AppError::conflict("the user is a member already"))
            }
            Err(error) => Err(self.app.limits().explain(ctx, Limit::Members, error).await),
        }
    }

    /// Changes a member's role, if the member still has the version that the caller knew.
    ///
    /// # Errors
    /// Forbidden if the present or the new role is above the caller's; conflict for the last owner; precondition failed.
    pub async fn change_role(
        &self,
        ctx: &Ctx,
        user: UserId,
        role: Role,
        known: Option<u64>,
    ) -> Result<Member> {
        let tx = self.app.db().begin(&ctx.system_scope()).await?;
        let changed = self.change_role_in(&tx, ctx, user, role, known).await;
        self.app.finish(changed, tx).await
    }

    async fn change_role_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        user: UserId,
        role: Role,
        known: Option<u64>,
    ) -> Result<Member> {
        let (owners, member) = locked(tx, ctx, user).await?;
        may_assign(ctx, member.role)?;
        may_assign(ctx, role)?;
        if known.is_some_and(|known| known != member.version) {
            return Err(changed());
        }
        if role != Role::Owner {
            keeps_an_owner(&owners, user)?;
        }
        let step = members::set_role(ctx.workspace(), user, role, member.version);
        if tx.pipeline(vec![step]).await? != [1] {
            return Err(changed());
        }
        let details = json!({ "from": member.role, "to": role });
        tx.pipeline(self.trail(ctx, "member.role_changed", &user.to_string(), &details)?)
            .await?;
        Ok(Member {
            role,
            version: member.version + 1,
            ..member
        })
    }

    /// Takes a member out, or lets the caller leave. What the membership gave ends with it and does not come back with
    /// a new one: sessions and API keys in the workspace, seats in circuits held for it, open invitations, and what
    /// waits for approval.
    ///
    /// # Errors
    /// Not found; forbidden for one with a role above the caller's; conflict for the last owner.
    pub async fn remove_member(&self, ctx: &Ctx, user: UserId) -> Result<()> {
        let tx = self.app.db().begin(&ctx.system_scope()).await?;
        let removed = self.remove_member_in(&tx, ctx, user).await;
        self.app.finish(removed, tx).await
    }

    async fn remove_member_in(&self, tx: &db::Tx, ctx: &Ctx, user: UserId) -> Result<()> {
        let (owners, member) = locked(tx, ctx, user).await?;
        if user != ctx.user() {
            may_assign(ctx, member.role)?;
        }
        keeps_an_owner(&owners, user)?;
        let mut record = Record::new(self.app, ctx);
        for key in api_keys::revoke_of_member(tx, ctx.workspace(), user, record.now).await? {
            record.audit("api_key.revoked", &key.to_string(), &json!({ "member": user }))?;
        }
        record.steps.extend([
            members::delete(ctx.workspace(), user),
            sessions::end_in_workspace(user, ctx.workspace(), record.now),
        ]);
        record
            .steps
            .extend(self.app.limits().release(ctx, Limit::Members, 1));
        let details = json!({ "role": member.role });
        record.audit("member.removed", &user.to_string(), &details)?;
        self.app.end_seats(tx, ctx, &mut record, user).await?;
        tx.pipeline(record.steps).await?;
        Ok(())
    }
}

/// The workspace's owners, kept from leaving until the unit of work ends, and a member.
async fn locked(tx: &db::Tx, ctx: &Ctx, user: UserId) -> Result<(Vec<UserId>, Member)> {
    let owners = members::lock_owners(tx, ctx.workspace()).await?;
    let found = members::find(tx, ctx.workspace(), user).await?;
    Ok((owners, found.ok_or_else(|| AppError::not_found("member"))?))
}

fn may_assign(ctx: &Ctx, role: Role) -> Result<()> {
    if ctx.caller.role.may_assign(role) {
        return Ok(());
    }
    Err(AppError::forbidden(format!(
        "a caller with the role `{}` cannot give or take the role `{role}`",
        ctx.caller.role
    )))
}

fn keeps_an_owner(owners: &[UserId], leaving: UserId) -> Result<()> {
    if owners == [leaving] {
        return Err(AppError::conflict(
            "the last owner stays: make somebody else an owner first",
        ));
    }
    Ok(())
}
