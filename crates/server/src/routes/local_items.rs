//! Local items: a workspace's private items before they have a public identity.

use app::local_items::{NewLocalItem, OrganiseOutcome};
use axum::extract::State;
use domain::{
    dfid::Dfid,
    identifier::{Identifier, NewIdentifier},
    identity::ApiScope,
    ids::{Timestamp, UserId},
    item::{DuplicateGroup, LocalItemStatus, MergeStrategy},
    problem::ErrorCode,
    unique,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::local_items::LocalItem;
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Created, Ctx, Json, List, Listing, Operation, Path, Policy, Routes, Tagged,
    platform::{Platform, context},
    routes::schema::{IdentifierBody, IdentifierView, LocalItemStatusWord, MergeStrategyWord},
};

const TAG: &str = "local items";

const CREATION: &[ErrorCode] = &[
    ErrorCode::Conflict,
    ErrorCode::LimitExceeded,
    ErrorCode::InsufficientCredits,
];

fn read() -> Policy {
    Policy::viewer(ApiScope::ItemsRead)
}

fn write() -> Policy {
    Policy::member(ApiScope::ItemsWrite)
}

/// The routes under `/api/items/local`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/items/local",
            write(),
            Operation::new(TAG, "Creates a local item")
                .description("A private item of the workspace. It gets its global id when it is pushed into a circuit.")
                .body::<CreateLocalItem>()
                .returns::<LocalItemView>(201)
                .problems(CREATION),
            create,
        )
        .get(
            "/api/items/local",
            read(),
            Operation::new(TAG, "Lists local items by id").query::<LocalFilter>().returns_page::<LocalItemView>(),
            list,
        )
        .merge(of_duplicates())
        .merge(of_one_item())
}

fn of_duplicates() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/items/local/duplicates",
            read(),
            Operation::new(
                TAG,
                "Groups local items that share a canonical identifier, with what contradicts itself",
            )
            .returns::<DuplicatesView>(200),
            duplicates,
        )
        .post(
            "/api/items/local/organise",
            write(),
            Operation::new(
                TAG,
                "Merges duplicates whose data agree; `dry_run` only says what would be done",
            )
            .body::<OrganiseBody>()
            .returns::<OrganisedView>(200)
            .problems(&[ErrorCode::Conflict]),
            organise,
        )
}

/// The routes of one local item.
fn of_one_item() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/items/local/{local_id}",
            read(),
            Operation::new(TAG, "Reads a local item")
                .returns::<LocalItemView>(200)
                .problems(&[ErrorCode::NotFound]),
            get,
        )
        .post(
            "/api/items/local/{local_id}/merge",
            write(),
            Operation::new(TAG, "Merges other local items into this one; it can be undone")
                .body::<MergeBody>()
                .returns::<LocalItemView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            merge,
        )
        .post(
            "/api/items/local/{local_id}/unmerge",
            write(),
            Operation::new(
                TAG,
                "Takes the last merge back: all its items are exactly as before",
            )
            .returns::<LocalItemView>(200)
            .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            unmerge,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateLocalItem {
    #[serde(default)]
    #[schema(value_type = Vec<IdentifierBody>, max_items = 64)]
    identifiers: Vec<NewIdentifier>,
    #[serde(default, deserialize_with = "unique::value")]
    #[schema(value_type = Option<Object>)]
    enriched_data: Option<Value>,
    /// The workspace's own name for the item; made up when absent.
    #[schema(max_length = 128)]
    local_id: Option<String>,
}

#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields, default)]
struct LocalFilter {
    /// Only items in this state.
    #[param(value_type = Option<LocalItemStatusWord>)]
    status: Option<LocalItemStatus>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MergeLocalItems)]
struct MergeBody {
    /// The local items to merge into this one.
    local_ids: Vec<String>,
    #[serde(default = "append")]
    #[schema(value_type = Option<MergeStrategyWord>)]
    strategy: MergeStrategy,
}

const fn append() -> MergeStrategy {
    MergeStrategy::Append
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganiseBody {
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LocalItemView {
    local_id: String,
    #[schema(value_type = LocalItemStatusWord)]
    status: LocalItemStatus,
    #[schema(value_type = Option<String>)]
    dfid: Option<Dfid>,
    #[schema(value_type = Vec<IdentifierView>)]
    identifiers: Vec<Identifier>,
    #[schema(value_type = Object)]
    enriched_data: Map<String, Value>,
    merged_into: Option<String>,
    /// How many merges can be undone.
    undoable_merges: usize,
    version: u64,
    #[schema(value_type = String, format = "uuid")]
    created_by: UserId,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl From<LocalItem> for LocalItemView {
    fn from(item: LocalItem) -> Self {
        Self {
            local_id: item.local_id,
            status: item.status,
            dfid: item.dfid,
            identifiers: item.content.identifiers,
            enriched_data: item.content.data,
            merged_into: item.merged_into,
            undoable_merges: item.undo.len(),
            version: item.version,
            created_by: item.created_by,
            created_at: item.created_at,
            updated_at: item.updated_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct DuplicatesView {
    groups: Vec<GroupView>,
}

#[derive(Serialize, ToSchema)]
struct GroupView {
    local_ids: Vec<String>,
    /// The canonical identifiers they share.
    shared: Vec<String>,
    conflicts: Vec<ConflictView>,
    suggested_actions: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
struct ConflictView {
    /// The name in the data that has several values.
    field: String,
    /// Each value with the local item that holds it.
    values: Vec<Value>,
}

fn group_view(group: DuplicateGroup<usize>, local_ids: &[String]) -> GroupView {
    let name = |index: &usize| local_ids[*index].clone();
    let conflict = |conflict: domain::item::DataConflict<usize>| ConflictView {
        field: conflict.field,
        values: conflict
            .values
            .into_iter()
            .map(|(id, value)| json!({"local_id": name(&id), "value": value}))
            .collect(),
    };
    GroupView {
        local_ids: group.items.iter().map(name).collect(),
        shared: group.shared,
        conflicts: group.conflicts.into_iter().map(conflict).collect(),
        suggested_actions: group
            .suggested_actions
            .iter()
            .map(|action| action.as_str())
            .collect(),
    }
}

#[derive(Serialize, ToSchema)]
struct OrganisedView {
    dry_run: bool,
    merges: Vec<MergedView>,
    /// Groups whose data contradict each other: for people to decide.
    conflicts: Vec<GroupView>,
}

#[derive(Serialize, ToSchema)]
struct MergedView {
    kept: String,
    merged: Vec<String>,
    shared: Vec<String>,
}

async fn create(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<CreateLocalItem>,
) -> Result<Created<LocalItemView>, ApiError> {
    let new = NewLocalItem {
        local_id: body.local_id,
        identifiers: body.identifiers,
        enriched_data: body.enriched_data,
    };
    let item = platform.app.create_local_item(&context(&ctx)?, new).await?;
    let location = format!("/api/items/local/{}", item.local_id);
    Ok(Created {
        location,
        version: Some(item.version),
        body: item.into(),
    })
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<LocalFilter>,
) -> Result<Listing<LocalItemView>, ApiError> {
    let context = context(&ctx)?;
    let page = platform
        .app
        .local_items(&context, list.filter.status, &list.page)
        .await?;
    let count = platform.app.count_local_items(&context, list.filter.status);
    let total = list.total(count).await?;
    Ok(Listing::new(page, list.page.limit, total, LocalItemView::from))
}

async fn get(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(local_id): Path<String>,
) -> Result<Tagged<LocalItemView>, ApiError> {
    let item = platform.app.local_item(&context(&ctx)?, &local_id).await?;
    Ok(Tagged::new(item.version, item.into()))
}

async fn duplicates(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<DuplicatesView>, ApiError> {
    let (groups, ids) = platform.app.local_duplicates(&context(&ctx)?).await?;
    let groups = groups.into_iter().map(|group| group_view(group, &ids)).collect();
    Ok(Json(DuplicatesView { groups }))
}

async fn organise(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<OrganiseBody>,
) -> Result<Json<OrganisedView>, ApiError> {
    let outcome = platform
        .app
        .organise_local_items(&context(&ctx)?, body.dry_run)
        .await?;
    let OrganiseOutcome {
        merges,
        conflicts,
        local_ids,
    } = outcome;
    let merged = |one: app::local_items::Organised| MergedView {
        kept: one.kept,
        merged: one.merged,
        shared: one.shared,
    };
    Ok(Json(OrganisedView {
        dry_run: body.dry_run,
        merges: merges.into_iter().map(merged).collect(),
        conflicts: conflicts
            .into_iter()
            .map(|group| group_view(group, &local_ids))
            .collect(),
    }))
}

async fn merge(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(local_id): Path<String>,
    Json(body): Json<MergeBody>,
) -> Result<Tagged<LocalItemView>, ApiError> {
    let context = context(&ctx)?;
    let item = platform
        .app
        .merge_local_items(&context, &local_id, &body.local_ids, body.strategy)
        .await?;
    Ok(Tagged::new(item.version, item.into()))
}

async fn unmerge(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(local_id): Path<String>,
) -> Result<Tagged<LocalItemView>, ApiError> {
    let item = platform
        .app
        .unmerge_local_item(&context(&ctx)?, &local_id)
        .await?;
    Ok(Tagged::new(item.version, item.into()))
}
