//! Pulling, and the operations that wait for somebody's word.

use axum::{extract::State, response::Response};
use domain::{
    dfid::Dfid,
    identifier::Identifier,
    ids::{CircuitId, OperationId, Timestamp, UserId, WorkspaceId},
    operation::{Action, OperationKind, OperationState},
    problem::ErrorCode,
    push::PushStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::operations::Operation as CircuitOperation;
use utoipa::{IntoParams, ToSchema};

use super::{Answer, DfidBody, REFUSALS, TAG, act, read, write};
use crate::{
    Created, Ctx, Json, List, Listing, Operation, Path, Path2, Routes,
    platform::{Platform, context},
    routes::schema::{IdentifierView, OperationKindWord, OperationStateWord, PushStatusWord},
};

pub(super) fn pulling() -> Routes<Platform> {
    Routes::new().post(
        "/api/circuits/{circuit_id}/pull",
        act(),
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
}

pub(super) fn operations() -> Routes<Platform> {
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
        .merge(deciding())
}

/// The routes that say what becomes of an operation.
fn deciding() -> Routes<Platform> {
    let decide = |what: &'static str| {
        Operation::new(TAG, what)
            .body::<ReasonBody>()
            .returns::<OperationView>(200)
            .problems(REFUSALS)
            .problems(&[ErrorCode::InvalidTransition])
    };
    Routes::new()
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
            act(),
            decide("Cancels one's own operation"),
            cancel,
        )
}

#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields, default)]
struct OperationFilter {
    /// Only operations in this state.
    #[param(value_type = Option<OperationStateWord>)]
    state: Option<OperationState>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecisionReason)]
struct ReasonBody {
    #[schema(max_length = 1000)]
    reason: Option<String>,
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

async fn pull(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(circuit): Path<CircuitId>,
    Json(body): Json<DfidBody>,
) -> Answer<Response> {
    let (operation, new) = platform.app.pull(&context(&ctx)?, circuit, body.dfid).await?;
    let location = format!("/api/circuits/{circuit}/operations/{}", operation.id);
    Ok(Created::at(location, OperationView::from(operation)).or_ok(new))
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
