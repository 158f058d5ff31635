//! How one comes to be a user: registration, and the first administrator.

use app::identity::{Register, Registered, Secret};
use axum::extract::State;
use domain::{
    ids::{UserId, WorkspaceId},
    problem::ErrorCode,
};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{TAG, client};
use crate::{ApiError, Created, Ctx, Json, Operation, Policy, Routes, platform::Platform, policy::RateClass};

pub(super) fn routes() -> Routes<Platform> {
    let rarely = || Policy::public().rate(RateClass::Reset);
    Routes::new()
        .post("/api/auth/register", rarely(), register_operation(), register)
        .post(
            "/api/setup",
            rarely(),
            Operation::new(
                TAG,
                "Makes the platform's first administrator with the token that the first start printed",
            )
            .body::<SetupBody>()
            .returns::<RegisteredView>(201)
            .problems(&[
                ErrorCode::InvalidCredentials,
                ErrorCode::Conflict,
                ErrorCode::Unavailable,
            ]),
            set_up,
        )
}

fn register_operation() -> Operation {
    Operation::new(TAG, "Makes a user and a workspace that the user owns")
        .body::<RegisterBody>()
        .returns::<RegisteredView>(201)
        .problems(&[ErrorCode::Conflict, ErrorCode::Unavailable])
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    username: String,
    email: String,
    password: String,
    workspace_name: Option<String>,
}

impl From<RegisterBody> for Register {
    fn from(body: RegisterBody) -> Self {
        Self {
            username: body.username,
            email: body.email,
            password: Secret::new(body.password),
            workspace_name: body.workspace_name,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetupBody {
    token: String,
    username: String,
    email: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
pub(in crate::routes) struct RegisteredView {
    user: NewUserView,
    workspace: NewWorkspaceView,
}

#[derive(Serialize, ToSchema)]
struct NewUserView {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    email: String,
    role: &'static str,
}

#[derive(Serialize, ToSchema)]
struct NewWorkspaceView {
    #[schema(value_type = String, format = "uuid")]
    id: WorkspaceId,
    slug: String,
}

impl RegisteredView {
    /// 201 with the new member's place.
    pub(in crate::routes) fn created(made: Registered, location: String) -> Created<Self> {
        let user = NewUserView {
            id: made.user_id,
            username: made.username,
            email: made.email,
            role: "owner",
        };
        let workspace = NewWorkspaceView {
            id: made.workspace_id,
            slug: made.slug,
        };
        Created::at(location, Self { user, workspace })
    }
}

async fn register(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<RegisterBody>,
) -> Result<Created<RegisteredView>, ApiError> {
    let scope = client(&ctx, &headers).scope();
    let made = platform.app.identity().register(&scope, body.into()).await?;
    let location = format!("/api/members/{}", made.user_id);
    Ok(RegisteredView::created(made, location))
}

async fn set_up(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<SetupBody>,
) -> Result<Created<RegisteredView>, ApiError> {
    let command = Register {
        username: body.username,
        email: body.email,
        password: Secret::new(body.password),
        workspace_name: Some("Administration".to_owned()),
    };
    let client = client(&ctx, &headers);
    let made = platform
        .app
        .identity()
        .set_up(&client, &Secret::new(body.token), command)
        .await?;
    let location = format!("/api/members/{}", made.user_id);
    Ok(RegisteredView::created(made, location))
}
