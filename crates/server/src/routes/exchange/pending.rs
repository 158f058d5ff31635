//! Pending items: what people must decide.

use app::pending::Resolve;
use axum::extract::State;
use domain::{
    dfid::Dfid,
    identifier::{Identifier, NewIdentifier},
    identity::ApiScope,
    ids::{CircuitId, PendingItemId, Timestamp},
    item::{PendingState, Resolution},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::pending_items::PendingItem;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, REFUSALS, TAG};
use crate::{
    Ctx, Json, List, Listing, Operation, Path, Policy, Routes,
    platform::{Platform, context},
    routes::schema::{IdentifierBody, IdentifierView, PendingStateWord, ResolutionWord},
};

pub(super) fn pending() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/pending-items",
            Policy::viewer(ApiScope::ItemsRead),
            Operation::new(TAG, "Lists items that wait for a person's decision")
                .query::<PendingFilter>()
                .returns_page::<PendingView>(),
            list_pending,
        )
        .post(
            "/api/pending-items/{pending_item_id}/resolve",
            Policy::member(ApiScope::ItemsWrite),
            Operation::new(TAG, "Resolves a pending item: approve, reject or modify")
                .body::<ResolveBody>()
                .returns::<PendingView>(200)
                .problems(REFUSALS)
                .problems(&[ErrorCode::InvalidTransition]),
            resolve,
        )
}

#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields, default)]
struct PendingFilter {
    /// Only pending items in this state.
    #[param(value_type = Option<PendingStateWord>)]
    state: Option<PendingState>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResolvePendingItem)]
struct ResolveBody {
    #[schema(value_type = ResolutionWord)]
    resolution: Resolution,
    /// For `approve`: which candidate the content belongs to.
    #[schema(value_type = Option<String>)]
    dfid: Option<Dfid>,
    /// For `modify`: the identifiers the local item shall have instead.
    #[serde(default)]
    #[schema(value_type = Vec<IdentifierBody>, max_items = 64)]
    identifiers: Vec<NewIdentifier>,
    #[schema(max_length = 1000)]
    note: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct PendingView {
    #[schema(value_type = String, format = "uuid")]
    id: PendingItemId,
    #[schema(value_type = Option<String>, format = "uuid")]
    circuit_id: Option<CircuitId>,
    local_id: Option<String>,
    reason: &'static str,
    priority: &'static str,
    #[schema(value_type = PendingStateWord)]
    state: PendingState,
    #[schema(value_type = Vec<IdentifierView>)]
    identifiers: Vec<Identifier>,
    #[schema(value_type = Object)]
    enriched_data: Map<String, Value>,
    /// The items its identifiers point to.
    #[schema(value_type = Vec<String>)]
    candidates: Vec<Dfid>,
    suggested_actions: Vec<&'static str>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    resolved_at: Option<Timestamp>,
}

impl From<PendingItem> for PendingView {
    fn from(pending: PendingItem) -> Self {
        Self {
            id: pending.id,
            circuit_id: pending.circuit_id,
            local_id: pending.local_id,
            reason: pending.reason.as_str(),
            priority: pending.priority.as_str(),
            state: pending.state,
            identifiers: pending.content.identifiers,
            enriched_data: pending.content.data,
            candidates: pending.candidates,
            suggested_actions: pending
                .reason
                .suggested_actions()
                .iter()
                .map(|action| action.as_str())
                .collect(),
            created_at: pending.created_at,
            resolved_at: pending.resolved_at,
        }
    }
}

async fn list_pending(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<PendingFilter>,
) -> Answer<Listing<PendingView>> {
    let (app, context, state) = (&platform.app, context(&ctx)?, list.filter.state);
    let page = app.pending_items(&context, state, &list.page).await?;
    let total = list.total(app.count_pending_items(&context, state)).await?;
    Ok(Listing::new(page, list.page.limit, total, PendingView::from))
}

async fn resolve(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<PendingItemId>,
    Json(body): Json<ResolveBody>,
) -> Answer<Json<PendingView>> {
    let command = Resolve {
        resolution: body.resolution,
        dfid: body.dfid,
        identifiers: body.identifiers,
        note: body.note,
    };
    Ok(Json(
        platform
            .app
            .resolve_pending(&context(&ctx)?, id, command)
            .await?
            .into(),
    ))
}
