//! Workspaces as administrators see them.

use axum::extract::State;
use domain::{ids::WorkspaceId, problem::ErrorCode, tier::Tier};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{TAG, TierBody, read, write};
use crate::{
    ApiError, Ctx, Json, List, Listing, Operation, Path, Routes,
    platform::{Platform, context},
    routes::{schema::TierWord, workspace::WorkspaceView},
};

pub(super) fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/admin/workspaces",
            read(),
            Operation::new(TAG, "Lists workspaces, newest first")
                .query::<WorkspaceQuery>()
                .returns_page::<WorkspaceView>(),
            workspaces,
        )
        .get(
            "/api/admin/workspaces/{id}",
            read(),
            Operation::new(TAG, "Shows a workspace")
                .returns::<WorkspaceView>(200)
                .problems(&[ErrorCode::NotFound]),
            workspace,
        )
        .put(
            "/api/admin/workspaces/{id}/tier",
            write(),
            Operation::new(TAG, "Changes a workspace's tier")
                .body::<TierBody>()
                .returns::<WorkspaceView>(200)
                .problems(&[ErrorCode::NotFound]),
            set_workspace_tier,
        )
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct WorkspaceQuery {
    /// Tier.
    #[param(inline, value_type = Option<TierWord>)]
    tier: Option<Tier>,
    /// Part of the name or slug.
    text: Option<String>,
}

async fn workspaces(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<WorkspaceQuery>,
) -> Result<Listing<WorkspaceView>, ApiError> {
    let (context, admin) = (context(&ctx)?, platform.app.admin());
    let (tier, text) = (list.filter.tier, list.filter.text.as_deref());
    let page = admin.workspaces(&context, tier, text, &list.page).await?;
    let total = list.total(admin.workspace_count(&context, tier, text)).await?;
    Ok(Listing::new(page, list.page.limit, total, WorkspaceView::from))
}

async fn workspace(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<WorkspaceId>,
) -> Result<Json<WorkspaceView>, ApiError> {
    Ok(Json(
        platform.app.admin().workspace(&context(&ctx)?, id).await?.into(),
    ))
}

async fn set_workspace_tier(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<WorkspaceId>,
    Json(body): Json<TierBody>,
) -> Result<Json<WorkspaceView>, ApiError> {
    Ok(Json(
        platform
            .app
            .admin()
            .set_workspace_tier(&context(&ctx)?, id, body.tier)
            .await?
            .into(),
    ))
}
