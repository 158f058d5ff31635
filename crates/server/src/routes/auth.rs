//! Signing in and out, tokens, and who the caller is. How one comes to be a user, and passwords, stand beside.

mod passwords;
pub(super) mod registration;

use app::identity::{Client, Secret, SignedIn};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{
    ids::{SessionId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError, Ctx, Json, NoContent, Operation, Policy, Routes,
    platform::{CookieRules, Platform, context},
    policy::RateClass,
};

const TAG: &str = "auth";

/// The routes under `/api/auth`, and the set-up of the deployment.
#[must_use]
pub fn routes() -> Routes<Platform> {
    let sign_in = || Policy::public().rate(RateClass::Login);
    Routes::new()
        .post("/api/auth/login", sign_in(), login_operation(), login)
        .post(
            "/api/auth/refresh",
            sign_in(),
            Operation::new(TAG, "Exchanges a refresh token for a new pair of tokens")
                .description("Each refresh token works once; using one a second time ends its session.")
                .body::<RefreshBody>()
                .returns::<TokensView>(200)
                .problems(&[ErrorCode::Unauthenticated, ErrorCode::AccountNotActive]),
            refresh,
        )
        .post(
            "/api/auth/logout",
            Policy::authenticated(),
            Operation::new(TAG, "Ends the caller's session, everywhere and at once").returns_nothing(204),
            logout,
        )
        .get(
            "/api/auth/me",
            Policy::authenticated(),
            Operation::new(TAG, "Says who the caller is").returns::<MeView>(200),
            me,
        )
        .post(
            "/api/auth/switch-workspace",
            Policy::authenticated().issues_secret(),
            Operation::new(TAG, "Lets the session act in another of the caller's workspaces")
                .description("Tokens made before end; the cookie and the refresh token stay good.")
                .body::<SwitchBody>()
                .returns::<SwitchedView>(200)
                .problems(&[ErrorCode::NotFound]),
            switch_workspace,
        )
        .merge(passwords::routes())
        .merge(registration::routes())
}

fn login_operation() -> Operation {
    Operation::new(TAG, "Opens a session")
        .description("Sets the cookie `session`. A wrong password and an unknown user get the same answer.")
        .body::<LoginBody>()
        .returns::<LoginView>(200)
        .problems(&[
            ErrorCode::InvalidCredentials,
            ErrorCode::AccountNotActive,
            ErrorCode::Unavailable,
        ])
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    username: String,
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    refresh_token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SwitchBody {
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LoginView {
    user: UserView,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    #[schema(value_type = String, format = "uuid")]
    session_id: SessionId,
    /// Bearer token.
    token: String,
    /// Exchanged for the next pair at `/api/auth/refresh`.
    refresh_token: String,
    /// Writes with the cookie send it as `X-CSRF-Token`.
    csrf_token: String,
    /// When the bearer token ends.
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct UserView {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    email: String,
    role: String,
    platform_admin: bool,
}

#[derive(Serialize, ToSchema)]
struct TokensView {
    #[schema(value_type = String, format = "uuid")]
    session_id: SessionId,
    token: String,
    refresh_token: String,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct SwitchedView {
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    token: String,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct MeView {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    username: String,
    email: String,
    role: String,
    tier: String,
    platform_admin: bool,
    /// Writes with the cookie send it as `X-CSRF-Token`.
    csrf_token: Option<String>,
}

/// Who knocks.
pub(super) fn client(ctx: &Ctx, headers: &HeaderMap) -> Client {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    Client {
        address: ctx.address.to_string(),
        agent: agent.unwrap_or_default().to_owned(),
        meter: ctx.meter.clone(),
    }
}

async fn login(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<LoginBody>,
) -> Result<Response, ApiError> {
    sign_in(&ctx, &headers, &platform, body, StatusCode::OK).await
}

/// Opens a session and answers with its secrets; `/api/sessions` does the same with 201.
pub(super) async fn sign_in(
    ctx: &Ctx,
    headers: &HeaderMap,
    platform: &Platform,
    body: LoginBody,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let client = client(ctx, headers);
    let signed_in = platform
        .app
        .identity()
        .login(&client, &body.username, Secret::new(body.password))
        .await?;
    let cookie = session_cookie(&signed_in, ctx, platform.cookie);
    let location = format!("/api/sessions/{}", signed_in.session_id);
    let mut response = (status, Json(login_view(platform, signed_in))).into_response();
    let added = response.headers_mut();
    added.append(
        header::SET_COOKIE,
        HeaderValue::try_from(cookie).map_err(ApiError::internal)?,
    );
    if status == StatusCode::CREATED {
        added.insert(
            header::LOCATION,
            HeaderValue::try_from(location).map_err(ApiError::internal)?,
        );
    }
    Ok(response)
}

fn login_view(platform: &Platform, signed_in: SignedIn) -> LoginView {
    LoginView {
        user: UserView {
            id: signed_in.user_id,
            username: signed_in.username,
            email: signed_in.email,
            role: signed_in.role.to_string(),
            platform_admin: signed_in.platform_admin,
        },
        workspace_id: signed_in.workspace_id,
        session_id: signed_in.session_id,
        token: signed_in.token.reveal().to_owned(),
        refresh_token: signed_in.refresh_token.reveal().to_owned(),
        csrf_token: platform.csrf.token(signed_in.session_id),
        expires_at: signed_in.expires_at,
    }
}

fn session_cookie(signed_in: &SignedIn, ctx: &Ctx, rules: CookieRules) -> String {
    let age = signed_in.session_expires_at.since(ctx.received_at).as_secs();
    let secure = if rules.secure.unwrap_or_else(|| ctx.https()) {
        "; Secure"
    } else {
        ""
    };
    let http_only = if rules.http_only { "; HttpOnly" } else { "" };
    format!(
        "session={}; Path=/; Max-Age={age}{http_only}; SameSite=Lax{secure}",
        signed_in.cookie.reveal()
    )
}

async fn refresh(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<RefreshBody>,
) -> Result<Json<TokensView>, ApiError> {
    let client = client(&ctx, &headers);
    let pair = platform
        .app
        .identity()
        .refresh(&client, &Secret::new(body.refresh_token))
        .await?;
    Ok(Json(TokensView {
        session_id: pair.session_id,
        token: pair.token.reveal().to_owned(),
        refresh_token: pair.refresh_token.reveal().to_owned(),
        expires_at: pair.expires_at,
    }))
}

async fn logout(ctx: Ctx, State(platform): State<Platform>) -> Result<Response, ApiError> {
    platform.app.identity().logout(&context(&ctx)?).await?;
    let mut response = NoContent.into_response();
    let cleared = HeaderValue::from_static("session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    response.headers_mut().append(header::SET_COOKIE, cleared);
    Ok(response)
}

async fn me(ctx: Ctx, State(platform): State<Platform>) -> Result<Json<MeView>, ApiError> {
    let context = context(&ctx)?;
    let member = platform.app.identity().member(&context, context.user()).await?;
    Ok(Json(MeView {
        user_id: member.user_id,
        workspace_id: context.workspace(),
        username: member.username,
        email: member.email,
        role: member.role.to_string(),
        tier: context.caller.tier.to_string(),
        platform_admin: context.caller.platform_admin,
        csrf_token: context
            .caller
            .session()
            .map(|session| platform.csrf.token(session)),
    }))
}

async fn switch_workspace(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<SwitchBody>,
) -> Result<Json<SwitchedView>, ApiError> {
    let (token, expires_at) = platform
        .app
        .identity()
        .switch_workspace(&context(&ctx)?, body.workspace_id)
        .await?;
    Ok(Json(SwitchedView {
        workspace_id: body.workspace_id,
        token: token.reveal().to_owned(),
        expires_at,
    }))
}
