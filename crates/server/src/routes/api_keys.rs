//! API keys. People manage them; a key cannot make or change keys.

use std::time::Duration;

use app::identity::{CreateApiKey, RevealedKey};
use axum::extract::State;
use domain::{
    identity::{ApiScope, Cidr, Role},
    ids::{ApiKeyId, Timestamp, UserId},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use store::api_keys::ApiKey;
use utoipa::ToSchema;

use crate::{
    ApiError, Created, Ctx, Json, List, Listing, NoContent, Operation, Path, Policy, Routes,
    platform::{Platform, context},
};

const TAG: &str = "api keys";

/// Time both keys work after a rotation, unless the request says otherwise: a day.
const OVERLAP_SECONDS: u64 = 24 * 3600;

fn member() -> Policy {
    Policy::person(Role::Member)
}

/// The routes under `/api/api-keys`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/api-keys",
            member(),
            Operation::new(
                TAG,
                "Lists the workspace's keys for its administrators, the own ones for others",
            )
            .returns_page::<KeyView>(),
            list,
        )
        .post(
            "/api/api-keys",
            member().reveals_secret(),
            Operation::new(
                TAG,
                "Makes a key that acts as the caller; its text is shown this once",
            )
            .body::<CreateBody>()
            .returns::<RevealedView>(201),
            create,
        )
        .merge(of_one_key())
}

/// The routes of one key.
fn of_one_key() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/api-keys/{id}",
            member(),
            Operation::new(TAG, "Shows a key and how much it was used")
                .returns::<KeyView>(200)
                .problems(&[ErrorCode::NotFound]),
            show,
        )
        .delete(
            "/api/api-keys/{id}",
            member(),
            Operation::new(TAG, "Revokes a key at once")
                .returns_nothing(204)
                .problems(&[ErrorCode::NotFound]),
            revoke,
        )
        .post(
            "/api/api-keys/{id}/rotate",
            member().reveals_secret(),
            Operation::new(
                TAG,
                "Makes a key that takes the place of another; both work during the overlap",
            )
            .body::<RotateBody>()
            .returns::<RevealedView>(201)
            .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            rotate,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
struct CreateBody {
    name: String,
    /// Such as `items:read`; at least one.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ApiScope>,
    /// Such as `GET /api/items/{dfid}` or `/api/events/*`; all routes if empty.
    #[serde(default)]
    routes: Vec<String>,
    /// Ranges such as `10.0.0.0/8`; all addresses if empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    addresses: Vec<Cidr>,
    /// Requests per minute granted to the key.
    rate_per_minute: Option<u32>,
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    /// Seconds that both keys work; a day if left out, at most a week.
    overlap_seconds: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct KeyView {
    #[schema(value_type = String, format = "uuid")]
    id: ApiKeyId,
    #[schema(value_type = String, format = "uuid")]
    created_by: UserId,
    name: String,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ApiScope>,
    routes: Vec<String>,
    #[schema(value_type = Vec<String>)]
    addresses: Vec<Cidr>,
    rate_per_minute: Option<u32>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = "date-time")]
    revoked_at: Option<Timestamp>,
    /// To within some seconds.
    #[schema(value_type = Option<String>, format = "date-time")]
    last_used_at: Option<Timestamp>,
    /// Up to some seconds ago.
    use_count: i64,
    #[schema(value_type = Option<String>, format = "uuid")]
    replaced_by: Option<ApiKeyId>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            created_by: key.created_by,
            name: key.name,
            scopes: key.scopes,
            routes: key.routes,
            addresses: key.addresses,
            rate_per_minute: key.rate_per_minute,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            use_count: key.use_count,
            replaced_by: key.replaced_by,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct RevealedView {
    #[serde(flatten)]
    key: KeyView,
    /// The key's text, shown this once.
    secret: String,
}

fn created(made: RevealedKey) -> Created<RevealedView> {
    let location = format!("/api/api-keys/{}", made.key.id);
    let body = RevealedView {
        key: made.key.into(),
        secret: made.text.reveal().to_owned(),
    };
    Created::at(location, body)
}

async fn list(ctx: Ctx, State(platform): State<Platform>, list: List) -> Result<Listing<KeyView>, ApiError> {
    let (context, identity) = (context(&ctx)?, platform.app.identity());
    let page = identity.api_keys(&context, &list.page).await?;
    let total = list.total(identity.api_key_count(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, KeyView::from))
}

async fn create(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<CreateBody>,
) -> Result<Created<RevealedView>, ApiError> {
    let command = CreateApiKey {
        name: body.name,
        scopes: body.scopes,
        routes: body.routes,
        addresses: body.addresses,
        rate_per_minute: body.rate_per_minute,
        expires_at: body.expires_at,
    };
    Ok(created(
        platform
            .app
            .identity()
            .create_api_key(&context(&ctx)?, command)
            .await?,
    ))
}

async fn show(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<ApiKeyId>,
) -> Result<Json<KeyView>, ApiError> {
    Ok(Json(
        platform.app.identity().api_key(&context(&ctx)?, id).await?.into(),
    ))
}

async fn revoke(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<ApiKeyId>,
) -> Result<NoContent, ApiError> {
    platform
        .app
        .identity()
        .revoke_api_key(&context(&ctx)?, id)
        .await?;
    Ok(NoContent)
}

async fn rotate(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<ApiKeyId>,
    Json(body): Json<RotateBody>,
) -> Result<Created<RevealedView>, ApiError> {
    let overlap = Duration::from_secs(body.overlap_seconds.unwrap_or(OVERLAP_SECONDS));
    Ok(created(
        platform
            .app
            .identity()
            .rotate_api_key(&context(&ctx)?, id, overlap)
            .await?,
    ))
}
