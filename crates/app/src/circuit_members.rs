//! Who belongs to a circuit: members, and the role each has. How one comes in is `circuit_entry`'s subject.

use domain::{
    circuit::{BuiltInRole, Permission},
    ids::{CircuitId, UserId, WorkspaceId},
    page::{Cursor, Page, PageRequest},
};
use serde_json::json;
use store::{
    circuit_members::{self, Member},
    tenancy,
};

use crate::{
    App, AppError, Ctx, Record, Result,
    circuits::{after, grants, needs},
};

impl App {
    /// The members of a circuit.
    pub async fn circuit_members(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        page: &PageRequest,
    ) -> Result<Page<Member>> {
        self.circuit(ctx, id).await?;
        let scope = ctx.scope();
        let rows = circuit_members::list(&self.db().scoped(&scope), id, after(page)?, page).await?;
        Ok(Page::cut(rows, page, |member| Cursor::new("", member.user_id)))
    }

    /// Counts them.
    pub async fn count_circuit_members(&self, ctx: &Ctx, id: CircuitId) -> Result<u64> {
        self.circuit(ctx, id).await?;
        let scope = ctx.scope();
        Ok(circuit_members::count(&self.db().scoped(&scope), id).await?)
    }

    /// Gives a member another role. The owner keeps theirs.
    pub async fn set_circuit_member_role(
        &self,
        ctx: &Ctx,
        id: CircuitId,
        user: UserId,
        role: &str,
    ) -> Result<Member> {
        let (_, caller) = self.circuit(ctx, id).await?;
        needs(&caller, Permission::ManageMembers)?;
        let role = self.role_to_grant(ctx, id, &caller, role).await?;
        let present = self.other_member(ctx, id, user).await?;
        grants(&caller, present.permissions)?;
        let mut record = Record::new(self, ctx);
        let details = json!({"user": user, "from": present.role, "to": role.name});
        record.steps.push(circuit_members::set_role(id, user, &role));
        record.activity(Some(id), "member.role_changed", &user.to_string(), &details);
        record.audit("circuit.member_role_changed", &id.to_string(), &details)?;
        self.db().run(&ctx.scope(), record.steps).await?;
        Ok(Member {
            role: role.name,
            permissions: role.permissions,
            ..present
        })
    }

    /// Ends a membership: another's with the permission, one's own always. What waits in the member's name is
    /// cancelled. What was pulled stays pulled.
    pub async fn remove_circuit_member(&self, ctx: &Ctx, id: CircuitId, user: UserId) -> Result<()> {
        let (_, caller) = self.circuit(ctx, id).await?;
        let leaving = self.other_member(ctx, id, user).await?;
        if user != ctx.user() {
            needs(&caller, Permission::ManageMembers)?;
            grants(&caller, leaving.permissions)?;
        }
        let tx = self.db().begin(&ctx.scope()).await?;
        let member = (user, leaving.workspace_id);
        let removed = self.remove_in(&tx, ctx, id, member).await;
        self.finish(removed, tx).await
    }

    async fn remove_in(
        &self,
        tx: &db::Tx,
        ctx: &Ctx,
        id: CircuitId,
        member: (UserId, WorkspaceId),
    ) -> Result<()> {
        tenancy::widen(tx, &[ctx.workspace(), member.1]).await?;
        let mut record = Record::new(self, ctx);
        self.end_seat(tx, ctx, &mut record, id, member).await?;
        tx.pipeline(record.steps).await?;
        Ok(())
    }

    async fn other_member(&self, ctx: &Ctx, id: CircuitId, user: UserId) -> Result<Member> {
        let scope = ctx.scope();
        let found = circuit_members::find(&self.db().scoped(&scope), id, user).await?;
        let member = found.ok_or_else(|| AppError::not_found("member"))?;
        if member.role == BuiltInRole::Owner.as_str() {
            return Err(AppError::conflict("the owner's membership cannot be changed"));
        }
        Ok(member)
    }
}
