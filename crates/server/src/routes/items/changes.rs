//! Changing items: enriching, merging, splitting, deprecating and sharing them.

use std::sync::Arc;

use axum::extract::State;
use domain::{
    dfid::Dfid,
    identifier::NewIdentifier,
    identity::ApiScope,
    ids::WorkspaceId,
    item::{MergeStrategy, SplitPart},
    problem::FieldError,
    unique,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::items::Item;
use utoipa::ToSchema;

use super::{ItemView, TAG};
use crate::{
    ApiError, Created, Ctx, IfMatch, Json, Operation, Path, Policy, Routes, Tagged,
    platform::{Platform, context},
    routes::{
        REFUSALS,
        schema::{IdentifierBody, MergeStrategyWord},
    },
};

fn write() -> Policy {
    Policy::member(ApiScope::ItemsWrite)
}

pub(super) fn routes() -> Routes<Platform> {
    Routes::new()
        .patch(
            "/api/items/{dfid}",
            write(),
            Operation::new(TAG, "Enriches an item with identifiers and data")
                .body::<EnrichBody>()
                .returns::<ItemView>(200)
                .problems(REFUSALS)
                .if_match(),
            enrich,
        )
        .merge(joining_and_dividing())
        .post(
            "/api/items/{dfid}/deprecate",
            write(),
            Operation::new(TAG, "Marks an item as no longer in use")
                .body::<DeprecateBody>()
                .returns::<ItemView>(200)
                .problems(REFUSALS),
            deprecate,
        )
        .post(
            "/api/items/{dfid}/share",
            write(),
            Operation::new(
                TAG,
                "Lets another workspace, or a user's, read the item from now on",
            )
            .body::<ShareBody>()
            .returns::<SharedView>(201)
            .problems(REFUSALS),
            share,
        )
}

/// The routes that make one item of several, and several of one.
fn joining_and_dividing() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/items/{dfid}/merge",
            write(),
            Operation::new(
                TAG,
                "Merges other items into this one; their DFIDs redirect to it",
            )
            .body::<MergeBody>()
            .returns::<ItemView>(200)
            .problems(REFUSALS),
            merge,
        )
        .post(
            "/api/items/{dfid}/split",
            write(),
            Operation::new(TAG, "Divides an item: each part becomes an item of its own")
                .body::<SplitBody>()
                .returns::<SplitView>(201)
                .problems(REFUSALS),
            split,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EnrichBody {
    #[serde(default)]
    #[schema(value_type = Vec<IdentifierBody>, max_items = 64)]
    identifiers: Vec<NewIdentifier>,
    #[serde(default, deserialize_with = "unique::value")]
    #[schema(value_type = Option<Object>)]
    enriched_data: Option<Value>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MergeItems)]
struct MergeBody {
    /// The items to merge into this one.
    #[schema(value_type = Vec<String>)]
    dfids: Vec<Dfid>,
    #[serde(default = "append")]
    #[schema(value_type = Option<MergeStrategyWord>)]
    strategy: MergeStrategy,
}

const fn append() -> MergeStrategy {
    MergeStrategy::Append
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SplitBody {
    parts: Vec<SplitPartBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SplitPartBody {
    /// Identifiers of the item that go to this part.
    #[schema(value_type = Vec<IdentifierBody>)]
    identifiers: Vec<NewIdentifier>,
    /// Names in the data that go to this part.
    #[serde(default)]
    data: Vec<String>,
}

impl SplitPartBody {
    fn check(self, index: usize) -> Result<SplitPart, Vec<FieldError>> {
        let identifiers =
            domain::identifier::check_all(&format!("parts[{index}].identifiers"), &self.identifiers)?;
        Ok(SplitPart {
            identifiers,
            data: self.data,
        })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeprecateBody {
    #[serde(default)]
    #[schema(max_length = 1000)]
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ShareBody {
    #[schema(value_type = Option<String>, format = "uuid")]
    workspace_id: Option<WorkspaceId>,
    username: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct SplitView {
    #[schema(value_type = Vec<String>)]
    dfids: Vec<Dfid>,
}

#[derive(Serialize, ToSchema)]
struct SharedView {
    #[schema(value_type = String)]
    dfid: Dfid,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
}

async fn read_back(
    platform: &Platform,
    context: &app::Ctx,
    dfid: Dfid,
) -> Result<Tagged<ItemView>, ApiError> {
    let item: Arc<Item> = platform.app.item(context, dfid).await?;
    Ok(Tagged::new(item.version, ItemView::try_from(&*item)?))
}

async fn enrich(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    if_match: IfMatch,
    Json(body): Json<EnrichBody>,
) -> Result<Tagged<ItemView>, ApiError> {
    let context = context(&ctx)?;
    platform
        .app
        .enrich_item(&context, dfid, &body.identifiers, body.enriched_data, if_match.0)
        .await?;
    read_back(&platform, &context, dfid).await
}

async fn merge(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    Json(body): Json<MergeBody>,
) -> Result<Tagged<ItemView>, ApiError> {
    let context = context(&ctx)?;
    platform
        .app
        .merge_items(&context, dfid, &body.dfids, body.strategy)
        .await?;
    read_back(&platform, &context, dfid).await
}

async fn split(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    Json(body): Json<SplitBody>,
) -> Result<Created<SplitView>, ApiError> {
    let parts: Result<Vec<_>, _> = body
        .parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| part.check(index))
        .collect();
    let parts = parts.map_err(ApiError::invalid)?;
    let dfids = platform.app.split_item(&context(&ctx)?, dfid, &parts).await?;
    // Of several, the first; the body names them all.
    let first = dfids.first().copied().unwrap_or(dfid);
    Ok(Created::at(format!("/api/items/{first}"), SplitView { dfids }))
}

async fn deprecate(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    Json(body): Json<DeprecateBody>,
) -> Result<Tagged<ItemView>, ApiError> {
    let context = context(&ctx)?;
    platform.app.deprecate_item(&context, dfid, &body.reason).await?;
    read_back(&platform, &context, dfid).await
}

async fn share(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    Json(body): Json<ShareBody>,
) -> Result<Created<SharedView>, ApiError> {
    let context = context(&ctx)?;
    let workspace_id = platform
        .app
        .share_item(&context, dfid, body.workspace_id, body.username.as_deref())
        .await?;
    // The right to read has no place of its own: it leads to what can be read now.
    Ok(Created::at(
        format!("/api/items/{dfid}"),
        SharedView { dfid, workspace_id },
    ))
}
