//! What the people who run the platform do: here the figures and the log of what they did; what they do to users and
//! workspaces stands beside.

mod users;
mod workspaces;

use std::collections::BTreeMap;

use axum::extract::State;
use domain::{
    identity::ApiScope,
    ids::{Timestamp, UserId},
    tier::Tier,
};
use serde::{Deserialize, Serialize};
use store::admin::AdminAction;
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Ctx, Json, List, Listing, Operation, Policy, Routes,
    platform::{Platform, context},
};

const TAG: &str = "admin";

fn read() -> Policy {
    Policy::platform_admin(Some(ApiScope::AdminRead))
}

fn write() -> Policy {
    Policy::platform_admin(Some(ApiScope::AdminWrite))
}

/// The routes under `/api/admin` that concern users, workspaces, credits, figures and the action log.
#[must_use]
pub fn routes() -> Routes<Platform> {
    users::routes()
        .merge(workspaces::routes())
        .merge(figures_and_actions())
}

fn figures_and_actions() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/admin/statistics",
            read(),
            Operation::new(TAG, "Shows the deployment's figures").returns::<StatisticsView>(200),
            statistics,
        )
        .get(
            "/api/admin/actions",
            read(),
            Operation::new(TAG, "Lists what administrators did, newest first")
                .query::<ActionQuery>()
                .returns_page::<ActionView>(),
            actions,
        )
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ActionQuery {
    /// Such as `user.freeze`.
    action: Option<String>,
    /// Who acted.
    #[param(value_type = Option<String>)]
    actor_id: Option<UserId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TierBody {
    /// `basic`, `professional`, `enterprise` or `admin`.
    #[schema(value_type = String)]
    tier: Tier,
}

#[derive(Serialize, ToSchema)]
struct StatisticsView {
    /// How many there are of each kind of thing.
    counts: BTreeMap<&'static str, i64>,
    /// The sum of each account of the ledger; together they are zero.
    ledger: BTreeMap<String, i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AdminAction)]
struct ActionView {
    #[schema(value_type = String, format = "uuid")]
    id: uuid::Uuid,
    #[schema(value_type = String, format = "uuid")]
    actor_id: UserId,
    action: String,
    target: String,
    #[schema(value_type = Object)]
    details: serde_json::Value,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<AdminAction> for ActionView {
    fn from(action: AdminAction) -> Self {
        Self {
            id: action.id,
            actor_id: action.actor_id,
            action: action.action,
            target: action.target,
            details: action.details,
            created_at: action.created_at,
        }
    }
}

async fn statistics(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<StatisticsView>, ApiError> {
    let (context, admin) = (context(&ctx)?, platform.app.admin());
    let counts = admin.statistics(&context).await?.into_iter().collect();
    let ledger = admin.ledger(&context).await?.into_iter().collect();
    Ok(Json(StatisticsView { counts, ledger }))
}

async fn actions(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<ActionQuery>,
) -> Result<Listing<ActionView>, ApiError> {
    let (context, admin) = (context(&ctx)?, platform.app.admin());
    let (action, actor) = (list.filter.action.as_deref(), list.filter.actor_id);
    let page = admin.actions(&context, action, actor, &list.page).await?;
    let total = list.total(admin.action_count(&context, action, actor)).await?;
    Ok(Listing::new(page, list.page.limit, total, ActionView::from))
}
