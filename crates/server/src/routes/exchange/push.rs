//! Pushing: local items, items with a DFID, batches.

use app::push::{PushLocal, Pushed};
use axum::{extract::State, response::Response};
use domain::{
    dfid::Dfid,
    identifier::NewIdentifier,
    ids::{CircuitId, OperationId},
    operation::OperationState,
    problem::{ErrorCode, Extension},
    push::PushStatus,
    unique,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Answer, DfidBody, REFUSALS, TAG, write};
use crate::{
    Created, Ctx, Json, Operation, Path, Routes,
    platform::{Platform, context},
    routes::schema::{IdentifierBody, OperationStateWord, PushStatusWord},
};

/// A batch of a thousand items with data.
const BATCH_BODY: usize = 16 * 1024 * 1024;

#[allow(clippy::too_many_lines, reason = "one table: the routes of pushing")]
pub(super) fn pushing() -> Routes<Platform> {
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PushLocalBody {
    local_id: String,
    /// Identifiers beside the stored ones.
    #[serde(default)]
    #[schema(value_type = Vec<IdentifierBody>, max_items = 64)]
    identifiers: Vec<NewIdentifier>,
    /// Data beside the stored ones; here the request wins.
    #[serde(default, deserialize_with = "unique::value")]
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

/// 201 that leads to the item if the push made it, else 200.
fn pushed(pushed: Pushed) -> Response {
    let (new, location) = (pushed.created, format!("/api/items/{}", pushed.dfid));
    Created::at(location, PushedView::from(pushed)).or_ok(new)
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
            let named = |(name, value): (Extension, Value)| (name.as_str().to_owned(), value);
            let mut more: Map<_, _> = error.details.into_iter().map(named).collect();
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
