//! What members did: in the workspace, as one user, in a circuit.

use axum::extract::State;
use domain::{
    identity::ApiScope,
    ids::{ActivityId, CircuitId, Timestamp, UserId},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::activities::{ActionCount, Activity, ActivityFilter};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Ctx, Json, List, Listing, Operation, Path, Policy, Query, Routes,
    platform::{Platform, context},
};

const TAG: &str = "activity";

/// The routes of activity.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/activity",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Lists what members of the workspace did, newest first")
                .query::<Filter>()
                .returns_page::<ActivityView>(),
            list,
        )
        .get(
            "/api/activity/stats",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Counts what members of the workspace did, by action")
                .query::<Since>()
                .returns::<StatsView>(200),
            stats,
        )
        .get(
            "/api/circuits/{circuit_id}/activity",
            Policy::viewer(ApiScope::CircuitsRead),
            Operation::new(TAG, "Lists what was done in a circuit, newest first")
                .query::<Filter>()
                .returns_page::<ActivityView>()
                .problems(&[ErrorCode::NotFound]),
            list_of_circuit,
        )
        .get(
            "/api/circuits/{circuit_id}/activity/stats",
            Policy::viewer(ApiScope::CircuitsRead),
            Operation::new(TAG, "Counts what was done in a circuit, by action")
                .query::<Since>()
                .returns::<StatsView>(200)
                .problems(&[ErrorCode::NotFound]),
            stats_of_circuit,
        )
}

#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    /// Who did it.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// What was done, such as `item.pushed`.
    action: Option<String>,
    /// From when.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before when.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

impl From<Filter> for ActivityFilter {
    fn from(filter: Filter) -> Self {
        Self {
            actor: filter.user_id,
            action: filter.action,
            from: filter.from,
            to: filter.to,
        }
    }
}

#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
struct Since {
    /// From when; thirty days ago when absent.
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
struct ActivityView {
    #[schema(value_type = String, format = "uuid")]
    id: ActivityId,
    #[schema(value_type = Option<String>, format = "uuid")]
    circuit_id: Option<CircuitId>,
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    action: String,
    target: String,
    #[schema(value_type = Object)]
    details: Value,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            id: activity.id,
            circuit_id: activity.circuit_id,
            user_id: activity.actor_id,
            action: activity.action,
            target: activity.target,
            details: activity.details,
            created_at: activity.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ActivityStats)]
struct StatsView {
    actions: Vec<ActionView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ActionCount)]
struct ActionView {
    action: String,
    count: u64,
    #[schema(value_type = String, format = "date-time")]
    last_at: Timestamp,
}

fn stats_view(counts: Vec<ActionCount>) -> Json<StatsView> {
    let view = |one: ActionCount| ActionView {
        action: one.action,
        count: one.count,
        last_at: one.last_at,
    };
    Json(StatsView {
        actions: counts.into_iter().map(view).collect(),
    })
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<Filter>,
) -> Result<Listing<ActivityView>, ApiError> {
    shown(&platform, &context(&ctx)?, None, list).await
}

async fn list_of_circuit(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    list: List<Filter>,
) -> Result<Listing<ActivityView>, ApiError> {
    shown(&platform, &context(&ctx)?, Some(circuit), list).await
}

async fn shown(
    platform: &Platform,
    context: &app::Ctx,
    circuit: Option<CircuitId>,
    list: List<Filter>,
) -> Result<Listing<ActivityView>, ApiError> {
    let (app, filter) = (&platform.app, list.filter.clone().into());
    let page = app.activities(context, circuit, &filter, &list.page).await?;
    let count = app.count_activities(context, circuit, &filter);
    let total = list.total(count).await?;
    Ok(Listing::new(page, list.page.limit, total, ActivityView::from))
}

async fn stats(
    ctx: Ctx,
    State(platform): State<Platform>,
    Query(query): Query<Since>,
) -> Result<Json<StatsView>, ApiError> {
    Ok(stats_view(
        platform
            .app
            .activity_stats(&context(&ctx)?, None, query.since)
            .await?,
    ))
}

async fn stats_of_circuit(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    Query(query): Query<Since>,
) -> Result<Json<StatsView>, ApiError> {
    Ok(stats_view(
        platform
            .app
            .activity_stats(&context(&ctx)?, Some(circuit), query.since)
            .await?,
    ))
}
