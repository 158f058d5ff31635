//! How one comes into a circuit: invitations and join requests.

use axum::extract::State;
use domain::{
    circuit::{InvitationState, JoinRequestState},
    ids::{CircuitId, InvitationId, JoinRequestId, Timestamp, UserId},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use store::circuit_entry::{Invitation, JoinRequest};
use utoipa::ToSchema;

use super::{Answer, REFUSALS, TAG, act, read, write};
use crate::{
    Created, Ctx, Json, List, Listing, NoContent, Operation, Path, Path2, Routes,
    platform::{Platform, context},
    routes::schema::{InvitationStateWord, JoinRequestStateWord},
};

pub(super) fn invitations() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits/{circuit_id}/invitations",
            write(),
            Operation::new(TAG, "Invites a user by name; the invited decides")
                .body::<InviteBody>()
                .returns::<InvitationView>(201)
                .problems(REFUSALS),
            invite,
        )
        .get(
            "/api/circuits/{circuit_id}/invitations",
            read(),
            Operation::new(TAG, "Lists the invitations to a circuit")
                .returns_page::<InvitationView>()
                .problems(&[ErrorCode::NotFound, ErrorCode::Forbidden]),
            list_invitations,
        )
        .delete(
            "/api/circuits/{circuit_id}/invitations/{invitation_id}",
            write(),
            Operation::new(TAG, "Takes an open invitation back")
                .returns_nothing(204)
                .problems(REFUSALS)
                .problems(&[ErrorCode::InvalidTransition]),
            revoke,
        )
        .merge(answers())
}

/// The routes of those who are invited.
fn answers() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/invitations",
            read(),
            Operation::new(TAG, "Lists the caller's own invitations").returns_page::<InvitationView>(),
            my_invitations,
        )
        .post(
            "/api/invitations/{invitation_id}/accept",
            act(),
            Operation::new(TAG, "Accepts an invitation, as the invited")
                .returns::<InvitationView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            accept,
        )
        .post(
            "/api/invitations/{invitation_id}/decline",
            act(),
            Operation::new(TAG, "Declines an invitation, as the invited")
                .returns::<InvitationView>(200)
                .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            decline,
        )
}

pub(super) fn join_requests() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/circuits/{circuit_id}/join-requests",
            act(),
            Operation::new(TAG, "Asks to join a circuit that shows itself to the public")
                .body::<MessageBody>()
                .returns::<JoinRequestView>(201)
                .problems(&[
                    ErrorCode::NotFound,
                    ErrorCode::Conflict,
                    ErrorCode::ValidationFailed,
                ]),
            ask_to_join,
        )
        .merge(decisions())
        .get(
            "/api/join-requests",
            read(),
            Operation::new(TAG, "Lists the caller's own join requests").returns_page::<JoinRequestView>(),
            my_requests,
        )
}

/// The routes of those who decide join requests.
fn decisions() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/circuits/{circuit_id}/join-requests",
            read(),
            Operation::new(TAG, "Lists the join requests of a circuit")
                .returns_page::<JoinRequestView>()
                .problems(&[ErrorCode::NotFound, ErrorCode::Forbidden]),
            list_requests,
        )
        .post(
            "/api/circuits/{circuit_id}/join-requests/{request_id}/approve",
            write(),
            Operation::new(TAG, "Approves a join request with a role")
                .body::<ApproveBody>()
                .returns::<JoinRequestView>(200)
                .problems(REFUSALS),
            approve_request,
        )
        .post(
            "/api/circuits/{circuit_id}/join-requests/{request_id}/reject",
            write(),
            Operation::new(TAG, "Rejects a join request")
                .returns::<JoinRequestView>(200)
                .problems(REFUSALS),
            reject_request,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    /// Who is invited.
    username: String,
    /// The role offered.
    role: String,
    #[serde(default)]
    #[schema(max_length = 1000)]
    message: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    #[serde(default)]
    #[schema(max_length = 1000)]
    message: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    /// The role the new member gets.
    role: String,
}

#[derive(Serialize, ToSchema)]
struct InvitationView {
    #[schema(value_type = String, format = "uuid")]
    id: InvitationId,
    #[schema(value_type = String, format = "uuid")]
    circuit_id: CircuitId,
    #[schema(value_type = String, format = "uuid")]
    invited_user_id: UserId,
    role: String,
    message: String,
    #[schema(value_type = InvitationStateWord)]
    state: InvitationState,
    #[schema(value_type = String, format = "uuid")]
    invited_by: UserId,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            circuit_id: invitation.circuit_id,
            invited_user_id: invitation.invited_user_id,
            role: invitation.role,
            message: invitation.message,
            state: invitation.state,
            invited_by: invitation.invited_by,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct JoinRequestView {
    #[schema(value_type = String, format = "uuid")]
    id: JoinRequestId,
    #[schema(value_type = String, format = "uuid")]
    circuit_id: CircuitId,
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    message: String,
    #[schema(value_type = JoinRequestStateWord)]
    state: JoinRequestState,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<JoinRequest> for JoinRequestView {
    fn from(request: JoinRequest) -> Self {
        Self {
            id: request.id,
            circuit_id: request.circuit_id,
            user_id: request.user_id,
            message: request.message,
            state: request.state,
            created_at: request.created_at,
        }
    }
}

async fn invite(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    Json(body): Json<InviteBody>,
) -> Answer<Created<InvitationView>> {
    let context = context(&ctx)?;
    let invitation = platform
        .app
        .invite_to_circuit(&context, id, &body.username, &body.role, &body.message)
        .await?;
    let location = format!("/api/circuits/{id}/invitations/{}", invitation.id);
    Ok(Created::at(location, invitation.into()))
}

async fn list_invitations(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    list: List,
) -> Answer<Listing<InvitationView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.circuit_invitations(&context, id, &list.page).await?;
    let total = list.total(app.count_circuit_invitations(&context, id)).await?;
    Ok(Listing::new(page, list.page.limit, total, InvitationView::from))
}

async fn revoke(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, invitation): Path2<CircuitId, InvitationId>,
) -> Answer<NoContent> {
    platform
        .app
        .revoke_invitation(&context(&ctx)?, id, invitation)
        .await?;
    Ok(NoContent)
}

async fn my_invitations(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Answer<Listing<InvitationView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.my_invitations(&context, &list.page).await?;
    let total = list.total(app.count_my_invitations(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, InvitationView::from))
}

async fn accept(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<InvitationId>,
) -> Answer<Json<InvitationView>> {
    Ok(Json(
        platform
            .app
            .answer_invitation(&context(&ctx)?, id, true)
            .await?
            .into(),
    ))
}

async fn decline(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<InvitationId>,
) -> Answer<Json<InvitationView>> {
    Ok(Json(
        platform
            .app
            .answer_invitation(&context(&ctx)?, id, false)
            .await?
            .into(),
    ))
}

async fn ask_to_join(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    Json(body): Json<MessageBody>,
) -> Answer<Created<JoinRequestView>> {
    let request = platform
        .app
        .request_to_join(&context(&ctx)?, id, &body.message)
        .await?;
    Ok(Created::at("/api/join-requests".to_owned(), request.into()))
}

async fn list_requests(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    list: List,
) -> Answer<Listing<JoinRequestView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.join_requests(&context, id, &list.page).await?;
    let total = list.total(app.count_join_requests(&context, id)).await?;
    Ok(Listing::new(page, list.page.limit, total, JoinRequestView::from))
}

async fn my_requests(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Answer<Listing<JoinRequestView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.my_join_requests(&context, &list.page).await?;
    let total = list.total(app.count_my_join_requests(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, JoinRequestView::from))
}

async fn approve_request(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, request): Path2<CircuitId, JoinRequestId>,
    Json(body): Json<ApproveBody>,
) -> Answer<Json<JoinRequestView>> {
    let context = context(&ctx)?;
    Ok(Json(
        platform
            .app
            .decide_join_request(&context, id, request, Some(&body.role))
            .await?
            .into(),
    ))
}

async fn reject_request(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, request): Path2<CircuitId, JoinRequestId>,
) -> Answer<Json<JoinRequestView>> {
    Ok(Json(
        platform
            .app
            .decide_join_request(&context(&ctx)?, id, request, None)
            .await?
            .into(),
    ))
}
