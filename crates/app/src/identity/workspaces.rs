//! The caller's workspaces: which they are, and the settings of the present one.

use domain::{
    event::Visibility,
    identity::{Role, check_workspace_name},
    problem::{ErrorCode, FieldError},
};
use serde_json::json;
use store::{members, workspaces, workspaces::Workspace};

use super::{Identity, data_key};
use crate::{AppError, Ctx, Result};

/// Longest time that events are kept: a hundred years.
const MOST_RETENTION_DAYS: u32 = 36_500;

/// What to change; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateWorkspace {
    /// Name.
    pub name: Option<String>,
    /// Days that operational events are kept.
    pub retention_days: Option<u32>,
    /// Visibility of events that name none.
    pub default_visibility: Option<Visibility>,
}

impl Identity<'_> {
    /// The workspace the caller acts in.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn workspace(&self, ctx: &Ctx) -> Result<Workspace> {
        let scope = ctx.system_scope();
        let found = workspaces::find(&self.app.db().scoped(&scope), ctx.workspace()).await?;
        found.ok_or_else(|| AppError::not_found("workspace"))
    }

    /// All workspaces the user is a member of, with the role in each, oldest membership first.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn workspaces(&self, ctx: &Ctx) -> Result<Vec<(Workspace, Role)>> {
        // The user's memberships lie in several tenants.
        let scope = ctx.system_scope();
        Ok(members::workspaces(&self.app.db().scoped(&scope), ctx.user()).await?)
    }

    /// Changes the present workspace, if it still has the version that the caller knew.
    ///
    /// # Errors
    /// Broken rules by field; precondition failed if somebody changed it meanwhile.
    pub async fn update_workspace(
        &self,
        ctx: &Ctx,
        known: Option<u64>,
        change: UpdateWorkspace,
    ) -> Result<Workspace> {
        let mut workspace = self.workspace(ctx).await?;
        check(&change)?;
        if known.is_some_and(|known| known != workspace.version) {
            return Err(changed());
        }
        if let Some(name) = change.name {
            name.trim().clone_into(&mut workspace.name);
        }
        let settings = &mut workspace.settings;
        settings.retention_days = change.retention_days.unwrap_or(settings.retention_days);
        settings.default_visibility = change.default_visibility.unwrap_or(settings.default_visibility);
        let step = workspaces::update(
            workspace.id,
            workspace.version,
            &workspace.name,
            &workspace.settings,
        );
        let details = json!({ "name": workspace.name, "settings": workspace.settings });
        let mut steps = vec![step];
        steps.extend(self.trail(ctx, "workspace.updated", &workspace.id.to_string(), &details)?);
        self.app
            .run_if_first(&ctx.system_scope(), steps, changed())
            .await?;
        workspace.version += 1;
        Ok(workspace)
    }

    /// The key that the workspace's private data is encrypted with.
    ///
    /// # Errors
    /// If the key does not open with this deployment's master key.
    pub async fn data_key(&self, ctx: &Ctx) -> Result<[u8; 32]> {
        let scope = ctx.system_scope();
        let stored = workspaces::data_key(&self.app.db().scoped(&scope), ctx.workspace()).await?;
        let stored = stored.ok_or_else(|| AppError::not_found("workspace"))?;
        data_key::unwrap(&self.services().config.master_key.0, ctx.workspace(), &stored)
    }
}

fn check(change: &UpdateWorkspace) -> Result<()> {
    let mut errors: Vec<_> = change
        .name
        .iter()
        .filter_map(|name| check_workspace_name("name", name))
        .collect();
    if change
        .retention_days
        .is_some_and(|days| !(1..=MOST_RETENTION_DAYS).contains(&days))
    {
        let message = format!("must be 1 to {MOST_RETENTION_DAYS} days");
        errors.push(FieldError::new("retention_days", "out_of_range", message));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.into())
    }
}

/// 412: somebody else was faster.
pub(super) fn changed() -> AppError {
    AppError::new(
        ErrorCode::PreconditionFailed,
        "it has changed meanwhile: read it again, then retry",
    )
}
