//! Passwords: changing one's own, and getting a new one by letter.

use app::identity::Secret;
use axum::extract::State;
use domain::problem::ErrorCode;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{TAG, client};
use crate::{
    ApiError, Ctx, Json, NoContent, Operation, Policy, Routes,
    platform::{Platform, context},
    policy::RateClass,
};

pub(super) fn routes() -> Routes<Platform> {
    let rarely = || Policy::public().rate(RateClass::Reset);
    Routes::new()
        .post(
            "/api/auth/password",
            Policy::authenticated(),
            Operation::new(TAG, "Changes the caller's password and ends all other sessions")
                .body::<ChangePasswordBody>()
                .returns_nothing(204)
                .problems(&[ErrorCode::InvalidCredentials, ErrorCode::Unavailable]),
            change_password,
        )
        .post(
            "/api/auth/password-reset",
            rarely(),
            Operation::new(
                TAG,
                "Sends a letter with a token to an address, if an account has it",
            )
            .description("The answer is the same whether the address is known or not.")
            .body::<ResetBody>()
            .returns_nothing(202),
            request_reset,
        )
        .post(
            "/api/auth/password-reset/confirm",
            rarely(),
            Operation::new(
                TAG,
                "Sets a new password with a token from a letter; all sessions end",
            )
            .body::<ConfirmBody>()
            .returns_nothing(204)
            .problems(&[ErrorCode::Gone, ErrorCode::Unavailable]),
            confirm_reset,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePasswordBody {
    current_password: String,
    new_password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    email: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    token: String,
    password: String,
}

async fn change_password(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<ChangePasswordBody>,
) -> Result<NoContent, ApiError> {
    let (present, new) = (Secret::new(body.current_password), Secret::new(body.new_password));
    platform
        .app
        .identity()
        .change_password(&context(&ctx)?, present, new)
        .await?;
    Ok(NoContent)
}

async fn request_reset(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<ResetBody>,
) -> Result<StatusCode, ApiError> {
    platform
        .app
        .identity()
        .request_reset(&client(&ctx, &headers), &body.email)
        .await?;
    Ok(StatusCode::ACCEPTED)
}

async fn confirm_reset(
    ctx: Ctx,
    headers: HeaderMap,
    State(platform): State<Platform>,
    Json(body): Json<ConfirmBody>,
) -> Result<NoContent, ApiError> {
    let (token, password) = (Secret::new(body.token), Secret::new(body.password));
    platform
        .app
        .identity()
        .confirm_reset(&client(&ctx, &headers), &token, password)
        .await?;
    Ok(NoContent)
}
