//! The workspace's credits.

use axum::extract::State;
use domain::{
    credits::CostedOperation,
    identity::ApiScope,
    ids::{MovementId, Timestamp, UserId},
};
use serde::Serialize;
use store::credits::HistoryEntry;
use utoipa::ToSchema;

use crate::{
    ApiError, Ctx, Json, List, Listing, Operation, Policy, Routes,
    platform::{Platform, context},
};

const TAG: &str = "credits";

/// The routes under `/api/credits`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/credits",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Shows the workspace's balance and what operations cost it")
                .returns::<CreditsView>(200),
            show,
        )
        .get(
            "/api/credits/history",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(
                TAG,
                "Lists the movements of the workspace's credits, newest first",
            )
            .returns_page::<MovementView>(),
            history,
        )
}

#[derive(Serialize, ToSchema)]
struct CreditsView {
    balance: i64,
    costs: Vec<CostView>,
}

#[derive(Serialize, ToSchema)]
struct CostView {
    operation: &'static str,
    credits: u64,
}

#[derive(Serialize, ToSchema)]
struct MovementView {
    #[schema(value_type = String, format = "uuid")]
    id: MovementId,
    /// Credits gained (positive) or lost (negative).
    amount: i64,
    kind: String,
    operation: String,
    reference: String,
    #[schema(value_type = Option<String>, format = "uuid")]
    created_by: Option<UserId>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<HistoryEntry> for MovementView {
    fn from(entry: HistoryEntry) -> Self {
        Self {
            id: entry.id,
            amount: entry.amount,
            kind: entry.kind.to_string(),
            operation: entry.operation,
            reference: entry.reference,
            created_by: entry.created_by,
            created_at: entry.created_at,
        }
    }
}

async fn show(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<CreditsView>, ApiError> {
    let (context, credits) = (context(&ctx)?, platform.app.credits());
    let balance = credits.balance(&context).await?;
    let cost = |operation: &CostedOperation| CostView {
        operation: operation.as_str(),
        credits: credits.cost(&context, *operation),
    };
    Ok(Json(CreditsView {
        balance,
        costs: CostedOperation::ALL.iter().map(cost).collect(),
    }))
}

async fn history(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Result<Listing<MovementView>, ApiError> {
    let (context, credits) = (context(&ctx)?, platform.app.credits());
    let page = credits.history(&context, &list.page).await?;
    let total = list.total(credits.history_count(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, MovementView::from))
}
