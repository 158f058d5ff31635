//! What goes on in a circuit: pushing, pulling, deciding, publishing, and pending items.

use app::{
    pending::Resolve,
    push::{PushLocal, Pushed},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{
    dfid::Dfid,
    identifier::{Identifier, NewIdentifier},
    identity::ApiScope,
    ids::{CircuitId, OperationId, PendingItemId, Timestamp, UserId, WorkspaceId},
    item::{PendingState, Resolution},
    operation::{Action, OperationKind, OperationState},
    problem::ErrorCode,
    push::PushStatus,
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use store::{
    circuit_items::{CircuitItem, Operation as CircuitOperation, PublishedItem},
    pending_items::PendingItem,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, Ctx, Json, List, Listing, NoContent, Operation, Path, Path2, Policy, Routes,
    platform::{Platform, context},
    routes::schema::{
        IdentifierBody, IdentifierView, OperationKindWord, OperationStateWord, PendingStateWord,
        PublicSchema, PushStatusWord, ResolutionWord,
    },
};

const TAG: &str = "exchange";
const REFUSALS: &[ErrorCode] = &[
    ErrorCode::NotFound,
    ErrorCode::Forbidden,
    ErrorCode::Conflict,
    ErrorCode::ValidationFailed,
];
/// A batch of a thousand items with data.
const BATCH_BODY: usize = 16 * 1024 * 1024;

fn read() -> Policy {
    Policy::viewer(ApiScope::CircuitsRead)
}

fn write() -> Policy {
    Policy::member(ApiScope::CircuitsWrite)
}

/// The routes of pushing, pulling, operations, public views and pending items.
#[must_use]
pub fn routes() -> Routes<Platform> {
    pushing()
        .merge(pulling())
        .merge(operations())
        .merge(items())
        .merge(pending())
}

fn pushing() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits/{circuit_id}/push-local",
            write(),
            Operation::new(
                TAG,
                "Pushes a local item: it gets its global id, or enriches the item that is known",
            )
            .description("All or nothing, in one transaction. Repeating the call is harmless.")
            .body::<PushLocalBody>()
            .returns::<PushedView>(200)
            .returns::<PushedView>(201)
            .problems(REFUSALS)
            .problems(&[ErrorCode::ConflictDetected, ErrorCode::InsufficientCredits]),
            push_local,
        )
        .post(
            "/api/circuits/{circuit_id}/push",
            write(),
            Operation::new(TAG, "Pushes an item that has its global id")
                .body::<DfidBody>()
                .returns::<PushedView>(200)
                .returns::<PushedView>(201)
                .problems(REFUSALS)
                .problems(&[ErrorCode::ConflictDetected, ErrorCode::InsufficientCredits]),
            push,
        )
        .post(
            "/api/circuits/{circuit_id}/push-batch",
            write().body_limit(BATCH_BODY),
            Operation::new(
                TAG,
                "Pushes up to 1,000 local items, each for itself or all in one transaction",
            )
            .description(
                "Each entry of the answer says what became of it; with `atomic` one failure stops all.",
            )
            .body::<BatchBody>()
            .returns::<BatchView>(200)
            .problems(REFUSALS)
            .problems(&[ErrorCode::ConflictDetected, ErrorCode::InsufficientCredits]),
            push_batch,
        )
}

fn pulling() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits/{circuit_id}/pull",
            read(),
            Operation::new(
                TAG,
                "Pulls an item: a lasting right to read it, at once or after approval",
            )
            .body::<DfidBody>()
            .returns::<OperationView>(200)
            .returns::<OperationView>(201)
            .problems(REFUSALS)
            .problems(&[ErrorCode::InsufficientCredits]),
            pull,
        )
        .get(
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

fn operations() -> Routes<Platform> {
    let decide = |what: &'static str| {
        Operation::new(TAG, what)
            .body::<ReasonBody>()
            .returns::<OperationView>(200)
            .problems(REFUSALS)
            .problems(&[ErrorCode::InvalidTransition])
    };
    Routes::new()
        .get(
            "/api/circuits/{circuit_id}/operations",
            read(),
            Operation::new(
                TAG,
                "Lists operations: all for those who decide, one's own for the others",
            )
            .query::<OperationFilter>()
            .returns_page::<OperationView>()
            .problems(&[ErrorCode::NotFound]),
            list_operations,
        )
        .get(
            "/api/circuits/{circuit_id}/operations/{operation_id}",
            read(),
            Operation::new(TAG, "Reads an operation")
                .returns::<OperationView>(200)
                .problems(&[ErrorCode::NotFound]),
            get_operation,
        )
        .post(
            "/api/circuits/{circuit_id}/operations/{operation_id}/approve",
            write(),
            decide("Approves an operation; it is carried out in the same transaction").description(
                "The circuit's rules are checked again. What can't be carried out any more becomes `failed`, with the \
                 reason. If another push of the same thing was approved first, this one enriches that item and names it.",
            ),
            approve,
        )
        .post(
            "/api/circuits/{circuit_id}/operations/{operation_id}/reject",
            write(),
            decide("Rejects an operation"),
            reject,
        )
        .post(
            "/api/circuits/{circuit_id}/operations/{operation_id}/cancel",
            read(),
            decide("Cancels one's own operation"),
            cancel,
        )
}

fn items() -> Routes<Platform> {
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
}

fn pending() -> Routes<Platform> {
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PushLocalBody {
    local_id: String,
    /// Identifiers beside the stored ones.
    #[serde(default)]
    #[schema(value_type = Vec<IdentifierBody>, max_items = 64)]
    identifiers: Vec<NewIdentifier>,
    /// Data beside the stored ones; here the request wins.
    #[schema(value_type = Option<Object>)]
    enriched_data: Option<Value>,
}

impl From<PushLocalBody> for PushLocal {
    fn from(body: PushLocalBody) -> Self {
        Self {
            local_id: body.local_id,
            identifiers: body.identifiers,
            enriched_data: body.enriched_data,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DfidBody {
    #[schema(value_type = String)]
    dfid: Dfid,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BatchBody {
    #[schema(max_items = 1000)]
    items: Vec<PushLocalBody>,
    /// All in one transaction, or each for itself.
    #[serde(default)]
    atomic: bool,
}

#[derive(Serialize, ToSchema)]
struct PushedView {
    #[schema(value_type = String)]
    dfid: Dfid,
    #[schema(value_type = PushStatusWord)]
    status: PushStatus,
    #[schema(value_type = String, format = "uuid")]
    operation_id: OperationId,
    #[schema(value_type = OperationStateWord)]
    operation_state: OperationState,
    local_id: Option<String>,
}

impl From<Pushed> for PushedView {
    fn from(pushed: Pushed) -> Self {
        Self {
            dfid: pushed.dfid,
            status: pushed.status,
            operation_id: pushed.operation_id,
            operation_state: pushed.operation_state,
            local_id: pushed.local_id,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct BatchView {
    results: Vec<BatchEntry>,
    pushed: usize,
    failed: usize,
}

/// What became of one entry: `result` or `error`.
#[derive(Serialize, ToSchema)]
struct BatchEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<PushedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<EntryError>,
}

#[derive(Serialize, ToSchema)]
struct EntryError {
    code: &'static str,
    detail: String,
    #[schema(value_type = Object)]
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields, default)]
struct OperationFilter {
    /// Only operations in this state.
    #[param(value_type = Option<OperationStateWord>)]
    state: Option<OperationState>,
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
#[schema(as = DecisionReason)]
struct ReasonBody {
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishedBody {
    published: bool,
}

#[derive(Serialize, ToSchema)]
struct OperationView {
    #[schema(value_type = String, format = "uuid")]
    operation_id: OperationId,
    #[schema(value_type = String, format = "uuid")]
    circuit_id: CircuitId,
    #[schema(value_type = OperationKindWord)]
    kind: OperationKind,
    #[schema(value_type = OperationStateWord)]
    state: OperationState,
    #[schema(value_type = String)]
    dfid: Dfid,
    local_id: Option<String>,
    /// What a push amounted to when it was asked for.
    #[schema(value_type = Option<PushStatusWord>)]
    push_status: Option<PushStatus>,
    /// What a push that waits would bring; where a single operation is read, and only while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<WaitingContent>,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    #[schema(value_type = String, format = "uuid")]
    requested_by: UserId,
    #[schema(value_type = Option<String>, format = "uuid")]
    decided_by: Option<UserId>,
    /// Why it was decided so, or why it failed.
    reason: Option<String>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

/// What waits for approval: the pushed item, or what would be added to one.
#[derive(Serialize, ToSchema)]
struct WaitingContent {
    #[schema(value_type = Vec<IdentifierView>)]
    identifiers: Vec<Identifier>,
    #[schema(value_type = Object)]
    enriched_data: Map<String, Value>,
}

impl From<CircuitOperation> for OperationView {
    fn from(operation: CircuitOperation) -> Self {
        Self {
            operation_id: operation.id,
            circuit_id: operation.circuit_id,
            kind: operation.kind,
            state: operation.state,
            dfid: operation.dfid,
            local_id: operation.local_id,
            push_status: operation.push_status,
            content: None,
            workspace_id: operation.workspace_id,
            requested_by: operation.requested_by,
            decided_by: operation.decided_by,
            reason: operation.reason,
            created_at: operation.created_at,
            updated_at: operation.updated_at,
        }
    }
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

type Answer<T> = Result<T, ApiError>;

fn pushed(pushed: Pushed) -> Response {
    let status = if pushed.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, Json(PushedView::from(pushed))).into_response()
}

async fn push_local(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    Json(body): Json<PushLocalBody>,
) -> Answer<Response> {
    Ok(pushed(
        platform
            .app
            .push_local(&context(&ctx)?, circuit, &body.into())
            .await?,
    ))
}

async fn push(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    Json(body): Json<DfidBody>,
) -> Answer<Response> {
    Ok(pushed(
        platform
            .app
            .push_item(&context(&ctx)?, circuit, body.dfid)
            .await?,
    ))
}

async fn push_batch(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    Json(body): Json<BatchBody>,
) -> Answer<Json<BatchView>> {
    let pushes: Vec<PushLocal> = body.items.into_iter().map(PushLocal::from).collect();
    let results = platform
        .app
        .push_batch(&context(&ctx)?, circuit, &pushes, body.atomic)
        .await?;
    let done = results.iter().filter(|result| result.is_ok()).count();
    let failed = results.len() - done;
    let results = results.into_iter().map(batch_entry).collect();
    Ok(Json(BatchView {
        results,
        pushed: done,
        failed,
    }))
}

fn batch_entry(result: Result<Pushed, app::AppError>) -> BatchEntry {
    match result {
        Ok(pushed) => BatchEntry {
            result: Some(pushed.into()),
            error: None,
        },
        Err(error) => {
            let mut more = *error.details;
            if !error.fields.is_empty() {
                let fields = serde_json::to_value(&error.fields).unwrap_or_default();
                more.insert("errors".to_owned(), fields);
            }
            let error = EntryError {
                code: error.code.as_str(),
                detail: error.message,
                more,
            };
            BatchEntry {
                result: None,
                error: Some(error),
            }
        }
    }
}

async fn pull(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    Json(body): Json<DfidBody>,
) -> Answer<Response> {
    let (operation, new) = platform.app.pull(&context(&ctx)?, circuit, body.dfid).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(OperationView::from(operation))).into_response())
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

async fn list_operations(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    list: List<OperationFilter>,
) -> Answer<Listing<OperationView>> {
    let (app, context, state) = (&platform.app, context(&ctx)?, list.filter.state);
    let page = app.operations(&context, circuit, state, &list.page).await?;
    let count = app.count_operations(&context, circuit, state);
    let total = list.total(count).await?;
    Ok(Listing::new(page, list.page.limit, total, OperationView::from))
}

async fn get_operation(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(circuit, id): Path2<CircuitId, OperationId>,
) -> Answer<Json<OperationView>> {
    let (operation, content) = platform.app.operation(&context(&ctx)?, circuit, id).await?;
    let content = content.map(|content| WaitingContent {
        identifiers: content.identifiers,
        enriched_data: content.data,
    });
    Ok(Json(OperationView {
        content,
        ..operation.into()
    }))
}

async fn decide(
    ctx: &Ctx,
    platform: &Platform,
    (circuit, id): (CircuitId, OperationId),
    action: Action,
    body: ReasonBody,
) -> Answer<Json<OperationView>> {
    let context = context(ctx)?;
    let decided = platform
        .app
        .decide_operation(&context, circuit, id, action, body.reason.as_deref())
        .await?;
    Ok(Json(decided.into()))
}

async fn approve(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(circuit, id): Path2<CircuitId, OperationId>,
    Json(body): Json<ReasonBody>,
) -> Answer<Json<OperationView>> {
    decide(&ctx, &platform, (circuit, id), Action::Approve, body).await
}

async fn reject(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(circuit, id): Path2<CircuitId, OperationId>,
    Json(body): Json<ReasonBody>,
) -> Answer<Json<OperationView>> {
    decide(&ctx, &platform, (circuit, id), Action::Reject, body).await
}

async fn cancel(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(circuit, id): Path2<CircuitId, OperationId>,
    Json(body): Json<ReasonBody>,
) -> Answer<Json<OperationView>> {
    decide(&ctx, &platform, (circuit, id), Action::Cancel, body).await
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
