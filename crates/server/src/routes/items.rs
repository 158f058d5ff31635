//! Items: what a DFID stands for, as it is found and read. How items change stands beside.

mod changes;

use app::items::ItemFilter;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{
    dfid::Dfid,
    identifier::NewIdentifier,
    identity::ApiScope,
    ids::{Timestamp, UserId, WorkspaceId},
    item::ItemStatus,
    problem::{ErrorCode, FieldError},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::{item_history::Change, items::Item, namespaces::Namespace};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    ApiError, Ctx, Json, List, Listing, Operation, Path, Policy, Routes, Tagged,
    platform::{Platform, context},
    routes::schema::{IdentifierView, ItemStatusWord},
};

const TAG: &str = "items";

fn read() -> Policy {
    Policy::viewer(ApiScope::ItemsRead)
}

/// The routes under `/api/items`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/items",
            read(),
            Operation::new(
                TAG,
                "Lists items by DFID: the workspace's own, or those shared with it",
            )
            .query::<ItemQuery>()
            .returns_page::<ItemView>(),
            list,
        )
        .get(
            "/api/items/search",
            read(),
            Operation::new(TAG, "Finds items by the value of an identifier")
                .query::<SearchQuery>()
                .returns_page::<ItemView>()
                .problems(&[ErrorCode::ValidationFailed]),
            search,
        )
        .merge(of_one_item())
        .get(
            "/api/namespaces",
            read(),
            Operation::new(TAG, "Lists the kinds of goods that identifiers belong to")
                .description("An identifier may carry another word of one's own.")
                .returns::<NamespacesView>(200),
            list_namespaces,
        )
        .merge(changes::routes())
}

/// The routes that show one item.
fn of_one_item() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/items/{dfid}",
            read(),
            Operation::new(TAG, "Reads an item")
                .description("An item that was merged into another one answers 308 with the other's address.")
                .returns::<ItemView>(200)
                .returns_nothing(304)
                .returns::<ItemView>(308)
                .problems(&[ErrorCode::NotFound]),
            get,
        )
        .get(
            "/api/items/{dfid}/history",
            read(),
            Operation::new(TAG, "Lists who changed what, oldest first")
                .returns_page::<ChangeView>()
                .problems(&[ErrorCode::NotFound]),
            history,
        )
}

#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields, default)]
struct ItemQuery {
    /// Those shared with the workspace instead of its own.
    shared: bool,
    /// Only items in this state.
    #[param(value_type = Option<ItemStatusWord>)]
    status: Option<ItemStatus>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SearchQuery {
    /// The identifier's value.
    #[param(min_length = 1, max_length = 256)]
    value: String,
    /// Narrows the search to this key; then namespace, registry and scope count too.
    key: Option<String>,
    namespace: Option<String>,
    registry: Option<String>,
    scope: Option<String>,
}

/// An item as its readers see it. Documents pass through as stored.
#[derive(Serialize, ToSchema)]
pub(super) struct ItemView {
    #[schema(value_type = String)]
    dfid: Dfid,
    #[schema(value_type = String, format = "uuid")]
    owner_workspace_id: WorkspaceId,
    #[schema(value_type = ItemStatusWord)]
    status: ItemStatus,
    #[schema(value_type = Vec<IdentifierView>)]
    identifiers: Box<RawValue>,
    /// DFIDs that were merged into this item.
    #[schema(value_type = Vec<String>)]
    aliases: Box<RawValue>,
    #[schema(value_type = Object)]
    enriched_data: Box<RawValue>,
    /// The item that stands for this one after a merge.
    #[schema(value_type = Option<String>)]
    redirect_to: Option<Dfid>,
    confidence: f64,
    #[schema(value_type = Vec<String>)]
    sources: Box<RawValue>,
    version: u64,
    #[schema(value_type = String, format = "uuid")]
    created_by: UserId,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

fn raw(text: &str) -> Result<Box<RawValue>, ApiError> {
    RawValue::from_string(text.to_owned()).map_err(ApiError::internal)
}

impl TryFrom<&Item> for ItemView {
    type Error = ApiError;

    fn try_from(item: &Item) -> Result<Self, ApiError> {
        Ok(Self {
            dfid: item.dfid,
            owner_workspace_id: item.workspace_id,
            status: item.status,
            identifiers: raw(&item.identifiers.0)?,
            aliases: raw(&item.aliases.0)?,
            enriched_data: raw(&item.data.0)?,
            redirect_to: item.redirect_to,
            confidence: item.confidence,
            sources: raw(&item.sources.0)?,
            version: item.version,
            created_by: item.created_by,
            created_at: item.created_at,
            updated_at: item.updated_at,
        })
    }
}

#[derive(Serialize, ToSchema)]
struct NamespacesView {
    data: Vec<NamespaceView>,
}

#[derive(Serialize, ToSchema)]
struct NamespaceView {
    name: String,
    description: String,
}

#[derive(Serialize, ToSchema)]
struct ChangeView {
    id: Uuid,
    version: u64,
    action: String,
    #[schema(value_type = String, format = "uuid")]
    actor_id: UserId,
    #[schema(value_type = Object)]
    changes: Box<RawValue>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

fn change_view(change: Change) -> Result<ChangeView, ApiError> {
    Ok(ChangeView {
        id: change.id,
        version: change.version,
        action: change.action,
        actor_id: change.actor_id,
        changes: raw(&change.changes.0)?,
        created_at: change.created_at,
    })
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<ItemQuery>,
) -> Result<Listing<ItemView>, ApiError> {
    let context = context(&ctx)?;
    let filter = ItemFilter {
        shared: list.filter.shared,
        status: list.filter.status,
    };
    let page = platform.app.items(&context, filter, &list.page).await?;
    let total = list.total(platform.app.count_items(&context, filter)).await?;
    Listing::try_new(page, list.page.limit, total, |item| ItemView::try_from(&item))
}

async fn list_namespaces(
    ctx: Ctx,
    State(platform): State<Platform>,
) -> Result<Json<NamespacesView>, ApiError> {
    let found = platform.app.namespaces(&context(&ctx)?).await?;
    let view = |one: Namespace| NamespaceView {
        name: one.name,
        description: one.description,
    };
    let data = found.into_iter().map(view).collect();
    Ok(Json(NamespacesView { data }))
}

async fn search(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<SearchQuery>,
) -> Result<Listing<ItemView>, ApiError> {
    let (app, context, wanted) = (&platform.app, context(&ctx)?, &list.filter);
    if !(1..=256).contains(&wanted.value.trim().chars().count()) {
        let error = FieldError::new("value", "length", "must have 1 to 256 characters");
        return Err(ApiError::malformed(vec![error]));
    }
    let exact = wanted.key.clone().map(|key| NewIdentifier {
        namespace: wanted.namespace.clone(),
        key,
        value: wanted.value.clone(),
        registry: wanted.registry.clone(),
        scope: wanted.scope.clone(),
    });
    let (value, exact) = (&wanted.value, exact.as_ref());
    let page = app.search_items(&context, value, exact, &list.page).await?;
    let count = app.count_found_items(&context, value, exact);
    let total = list.total(count).await?;
    Listing::try_new(page, list.page.limit, total, |item| ItemView::try_from(&item))
}

async fn get(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let item = platform.app.item(&context(&ctx)?, dfid).await?;
    let view = ItemView::try_from(&*item)?;
    let Some(other) = item.redirect_to else {
        return Ok(Tagged::new(item.version, view)
            .unless_known(&headers)
            .into_response());
    };
    let mut answer = (StatusCode::PERMANENT_REDIRECT, Json(view)).into_response();
    if let Ok(location) = HeaderValue::try_from(format!("/api/items/{other}")) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

async fn history(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(dfid): Path<Dfid>,
    list: List,
) -> Result<Listing<ChangeView>, ApiError> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.item_history(&context, dfid, &list.page).await?;
    let total = list.total(app.count_item_history(&context, dfid)).await?;
    Listing::try_new(page, list.page.limit, total, change_view)
}
