//! A user's own sessions.

use axum::{extract::State, response::Response};
use domain::{
    ids::{SessionId, Timestamp, WorkspaceId},
    problem::ErrorCode,
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use store::sessions::Session;
use utoipa::ToSchema;

use super::auth::{LoginBody, LoginView, sign_in};
use crate::{
    ApiError, Ctx, Json, List, Listing, NoContent, Operation, Path, Policy, Routes,
    platform::{Platform, context},
    policy::RateClass,
};

const TAG: &str = "sessions";

/// The routes under `/api/sessions`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/sessions",
            Policy::authenticated(),
            Operation::new(TAG, "Lists the caller's sessions, newest first").returns_page::<SessionView>(),
            list,
        )
        .post(
            "/api/sessions",
            Policy::public().rate(RateClass::Login),
            Operation::new(TAG, "Opens a session with username and password")
                .body::<LoginBody>()
                .returns::<LoginView>(201)
                .problems(&[
                    ErrorCode::InvalidCredentials,
                    ErrorCode::AccountNotActive,
                    ErrorCode::Unavailable,
                ]),
            open,
        )
        .delete(
            "/api/sessions",
            Policy::authenticated(),
            Operation::new(TAG, "Ends all of the caller's sessions, this one included")
                .returns::<EndedView>(200),
            end_all,
        )
        .delete(
            "/api/sessions/{id}",
            Policy::authenticated(),
            Operation::new(TAG, "Ends one of the caller's sessions")
                .returns_nothing(204)
                .problems(&[ErrorCode::NotFound]),
            end,
        )
}

#[derive(Serialize, ToSchema)]
struct SessionView {
    #[schema(value_type = String, format = "uuid")]
    id: SessionId,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    /// The address it was opened from.
    address: String,
    /// The program it was opened with.
    agent: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    /// To within some seconds.
    #[schema(value_type = String, format = "date-time")]
    last_seen_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
    /// Whether it is the session that asks.
    current: bool,
}

#[derive(Serialize, ToSchema)]
struct EndedView {
    /// How many sessions were ended.
    ended: u64,
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Result<Listing<SessionView>, ApiError> {
    let (context, identity) = (context(&ctx)?, platform.app.identity());
    let page = identity.sessions(&context, &list.page).await?;
    let total = list.total(identity.session_count(&context)).await?;
    let current = context.caller.session();
    Ok(Listing::new(page, list.page.limit, total, |session: Session| {
        SessionView {
            current: current == Some(session.id),
            id: session.id,
            workspace_id: session.workspace_id,
            address: session.address,
            agent: session.agent,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }))
}

async fn open(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<LoginBody>,
) -> Result<Response, ApiError> {
    sign_in(&ctx, &headers, &platform, body, StatusCode::CREATED).await
}

async fn end_all(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<EndedView>, ApiError> {
    let ended = platform.app.identity().end_all_sessions(&context(&ctx)?).await?;
    Ok(Json(EndedView { ended }))
}

async fn end(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<SessionId>,
) -> Result<NoContent, ApiError> {
    platform.app.identity().end_session(&context(&ctx)?, id).await?;
    Ok(NoContent)
}
