//! What lies in a circuit, and what the public sees of it.

use axum::extract::State;
use domain::{
    dfid::Dfid,
    ids::{CircuitId, OperationId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::circuit_items::{CircuitItem, PublishedItem};
use utoipa::ToSchema;

use super::{Answer, REFUSALS, TAG, read, write};
use crate::{
    ApiError, Ctx, Json, List, Listing, NoContent, Operation, Path, Path2, Policy, Routes,
    platform::{Platform, context},
    routes::schema::{IdentifierView, PublicSchema},
};

pub(super) fn items() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/circuits/{circuit_id}/items",
            read(),
            Operation::new(TAG, "Lists what lies in a circuit")
                .returns_page::<CircuitItemView>()
                .problems(&[ErrorCode::NotFound]),
            list_items,
        )
        .delete(
            "/api/circuits/{circuit_id}/items/{dfid}",
            write(),
            Operation::new(
                TAG,
                "Takes an item out of a circuit; what was pulled stays pulled",
            )
            .returns_nothing(204)
            .problems(REFUSALS),
            remove_item,
        )
        .put(
            "/api/circuits/{circuit_id}/items/{dfid}/published",
            write(),
            Operation::new(TAG, "Shows an item in the public view, or hides it")
                .body::<PublishedBody>()
                .returns_nothing(204)
                .problems(REFUSALS)
                .problems(&[ErrorCode::InvalidTransition]),
            publish,
        )
        .merge(public())
}

/// What anybody may see.
fn public() -> Routes<Platform> {
    Routes::new().get(
        "/api/public/circuits/{slug}",
        Policy::public(),
        Operation::new(TAG, "Shows a public circuit with its published items")
            .description("A guarded view wants its password in `X-Access-Password`.")
            .returns::<PublicView>(200)
            .paged()
            .problems(&[
                ErrorCode::NotFound,
                ErrorCode::Unauthenticated,
                ErrorCode::Unavailable,
            ]),
        public_view,
    )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishedBody {
    published: bool,
}

#[derive(Serialize, ToSchema)]
struct CircuitItemView {
    #[schema(value_type = String)]
    dfid: Dfid,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    #[schema(value_type = String, format = "uuid")]
    owner_workspace_id: WorkspaceId,
    #[schema(value_type = String, format = "uuid")]
    pushed_by: UserId,
    #[schema(value_type = String, format = "uuid")]
    operation_id: OperationId,
    /// `pending` until approved, then `active`.
    state: String,
    published: bool,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<CircuitItem> for CircuitItemView {
    fn from(item: CircuitItem) -> Self {
        Self {
            dfid: item.dfid,
            workspace_id: item.workspace_id,
            owner_workspace_id: item.owner_id,
            pushed_by: item.pushed_by,
            operation_id: item.operation_id,
            state: item.state,
            published: item.published,
            created_at: item.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct PublicView {
    name: String,
    description: String,
    #[schema(value_type = PublicSchema)]
    public: domain::circuit::PublicSettings,
    items: Vec<PublicItemView>,
    /// Pass it as `cursor` to get more items; null with the last ones.
    next_cursor: Option<String>,
    /// Number of items shown in all, if `with_total` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct PublicItemView {
    #[schema(value_type = String)]
    dfid: Dfid,
    #[schema(value_type = Vec<IdentifierView>)]
    identifiers: Box<RawValue>,
    #[schema(value_type = Object)]
    enriched_data: Box<RawValue>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

fn public_item(item: PublishedItem) -> Result<PublicItemView, ApiError> {
    let raw = |text: String| RawValue::from_string(text).map_err(ApiError::internal);
    Ok(PublicItemView {
        dfid: item.dfid,
        identifiers: raw(item.identifiers.0)?,
        enriched_data: raw(item.data.0)?,
        created_at: item.created_at,
    })
}

async fn public_view(
    State(platform): State<Platform>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    list: List,
) -> Answer<Json<PublicView>> {
    let password = headers
        .get("x-access-password")
        .and_then(|value| value.to_str().ok());
    let (circuit, page) = platform.app.public_circuit(&slug, password, &list.page).await?;
    let total = list.total(platform.app.count_published(circuit.id)).await?;
    let next_cursor = page.next.as_ref().map(domain::page::Cursor::encode);
    let items: Result<_, _> = page.data.into_iter().map(public_item).collect();
    Ok(Json(PublicView {
        name: circuit.name,
        description: circuit.description,
        public: circuit.public,
        items: items?,
        next_cursor,
        total,
    }))
}

async fn list_items(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    list: List,
) -> Answer<Listing<CircuitItemView>> {
    let context = context(&ctx)?;
    let page = platform.app.circuit_items(&context, circuit, &list.page).await?;
    let count = platform.app.count_circuit_items(&context, circuit);
    let total = list.total(count).await?;
    Ok(Listing::new(page, list.page.limit, total, CircuitItemView::from))
}

async fn remove_item(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(circuit, dfid): Path2<CircuitId, Dfid>,
) -> Answer<NoContent> {
    platform
        .app
        .remove_from_circuit(&context(&ctx)?, circuit, dfid)
        .await?;
    Ok(NoContent)
}

async fn publish(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(circuit, dfid): Path2<CircuitId, Dfid>,
    Json(body): Json<PublishedBody>,
) -> Answer<NoContent> {
    platform
        .app
        .publish_in_circuit(&context(&ctx)?, circuit, dfid, body.published)
        .await?;
    Ok(NoContent)
}
