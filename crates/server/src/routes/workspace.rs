//! The workspace the caller acts in, what it has used of its limits, and the caller's other workspaces.

use app::identity::UpdateWorkspace;
use axum::extract::State;
use domain::{
    event::Visibility,
    identity::{ApiScope, Role},
    ids::{Timestamp, WorkspaceId},
    tier::LimitCheck,
};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use store::workspaces::Workspace;
use utoipa::ToSchema;

use crate::{
    ApiError, Ctx, IfMatch, Json, Operation, Policy, Routes, Tagged,
    platform::{Platform, context},
};

const TAG: &str = "workspace";

/// The routes of the caller's workspaces.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/workspace",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Shows the workspace the caller acts in").returns::<WorkspaceView>(200),
            show,
        )
        .patch(
            "/api/workspace",
            Policy::role(Role::Admin, ApiScope::WorkspaceWrite),
            Operation::new(
                TAG,
                "Changes the workspace's name and settings; what is left out stays",
            )
            .body::<UpdateBody>()
            .returns::<WorkspaceView>(200)
            .if_match(),
            update,
        )
        .get(
            "/api/workspace/usage",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Shows what the workspace has used of its tier's limits")
                .returns::<UsageView>(200),
            usage,
        )
        .get(
            "/api/workspaces",
            Policy::authenticated(),
            Operation::new(TAG, "Lists the workspaces the caller is a member of")
                .returns::<MembershipsView>(200),
            memberships,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    name: Option<String>,
    /// Days that operational events are kept, 1 to 36500.
    retention_days: Option<u32>,
    /// Visibility of events that name none.
    #[schema(value_type = Option<String>)]
    default_visibility: Option<Visibility>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct WorkspaceView {
    #[schema(value_type = String, format = "uuid")]
    id: WorkspaceId,
    name: String,
    slug: String,
    tier: String,
    settings: SettingsView,
    version: u64,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct SettingsView {
    retention_days: u32,
    default_visibility: String,
}

impl From<Workspace> for WorkspaceView {
    fn from(workspace: Workspace) -> Self {
        Self {
            id: workspace.id,
            name: workspace.name,
            slug: workspace.slug,
            tier: workspace.tier.to_string(),
            settings: SettingsView {
                retention_days: workspace.settings.retention_days,
                default_visibility: workspace.settings.default_visibility.to_string(),
            },
            version: workspace.version,
            created_at: workspace.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct UsageView {
    tier: String,
    limits: Vec<LimitView>,
}

#[derive(Serialize, ToSchema)]
struct LimitView {
    limit: String,
    used: u64,
    /// Null without a limit.
    allowed: Option<u64>,
}

impl From<LimitCheck> for LimitView {
    fn from(check: LimitCheck) -> Self {
        Self {
            limit: check.limit.to_string(),
            used: check.used,
            allowed: check.allowed,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct MembershipsView {
    data: Vec<MembershipView>,
}

#[derive(Serialize, ToSchema)]
struct MembershipView {
    workspace: WorkspaceView,
    role: String,
}

async fn show(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
) -> Result<Tagged<WorkspaceView>, ApiError> {
    let workspace = platform.app.identity().workspace(&context(&ctx)?).await?;
    Ok(Tagged::new(workspace.version, workspace.into()).unless_known(&headers))
}

async fn update(
    ctx: Ctx,
    if_match: IfMatch,
    State(platform): State<Platform>,
    Json(body): Json<UpdateBody>,
) -> Result<Tagged<WorkspaceView>, ApiError> {
    let change = UpdateWorkspace {
        name: body.name,
        retention_days: body.retention_days,
        default_visibility: body.default_visibility,
    };
    let workspace = platform
        .app
        .identity()
        .update_workspace(&context(&ctx)?, if_match.0, change)
        .await?;
    Ok(Tagged::new(workspace.version, workspace.into()))
}

async fn usage(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<UsageView>, ApiError> {
    let context = context(&ctx)?;
    let limits = platform.app.limits().usage(&context).await?;
    let limits = limits.into_iter().map(LimitView::from).collect();
    Ok(Json(UsageView {
        tier: context.caller.tier.to_string(),
        limits,
    }))
}

async fn memberships(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<MembershipsView>, ApiError> {
    let list = platform.app.identity().workspaces(&context(&ctx)?).await?;
    let view = |(workspace, role): (Workspace, Role)| MembershipView {
        workspace: workspace.into(),
        role: role.to_string(),
    };
    Ok(Json(MembershipsView {
        data: list.into_iter().map(view).collect(),
    }))
}
