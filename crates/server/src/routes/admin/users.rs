//! Users as administrators see them, and the credits that these give them.

use app::identity::{Register, Secret};
use axum::extract::State;
use domain::{
    identity::UserStatus,
    ids::{Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
    tier::Tier,
};
use serde::{Deserialize, Serialize};
use store::users::{Account, Filter};
use utoipa::{IntoParams, ToSchema};

use super::{TAG, TierBody, read, write};
use crate::{
    ApiError, Created, Ctx, Json, List, Listing, NoContent, Operation, Path, Routes,
    platform::{Platform, context},
    routes::{
        auth::registration::RegisteredView,
        schema::{TierWord, UserStatusWord},
    },
};

/// An operation on one user, who is shown as they are after it.
fn about_user(summary: &'static str) -> Operation {
    Operation::new(TAG, summary)
        .returns::<AccountView>(200)
        .problems(&[ErrorCode::NotFound])
}

pub(super) fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/admin/users",
            read(),
            Operation::new(TAG, "Lists users, newest first")
                .query::<UserQuery>()
                .returns_page::<AccountView>(),
            users,
        )
        .post(
            "/api/admin/users",
            write(),
            Operation::new(TAG, "Makes a user with a workspace")
                .body::<CreateBody>()
                .returns::<RegisteredView>(201)
                .problems(&[ErrorCode::Conflict, ErrorCode::Unavailable]),
            create_user,
        )
        .get("/api/admin/users/{id}", read(), about_user("Shows a user"), user)
        .merge(standing())
        .merge(grants())
}

/// The routes that say whether a user may act, and how much.
fn standing() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/admin/users/{id}/freeze",
            write(),
            about_user("Freezes a user: the next request is refused")
                .body::<ReasonBody>()
                .problems(&[ErrorCode::Conflict]),
            freeze,
        )
        .post(
            "/api/admin/users/{id}/unfreeze",
            write(),
            about_user("Lets a frozen user act again").body::<ReasonBody>(),
            unfreeze,
        )
        .put(
            "/api/admin/users/{id}/tier",
            write(),
            about_user("Changes the tier of the user's home workspace").body::<TierBody>(),
            set_user_tier,
        )
}

fn grants() -> Routes<Platform> {
    Routes::new()
        .post(
            "/api/admin/users/{id}/credits",
            write(),
            Operation::new(TAG, "Gives credits to the user's home workspace")
                .body::<GrantBody>()
                .returns::<BalanceView>(200)
                .problems(&[ErrorCode::NotFound]),
            grant,
        )
        .post(
            "/api/admin/credits/grants",
            write(),
            Operation::new(TAG, "Gives credits to many users' home workspaces, all or none")
                .body::<BulkGrantBody>()
                .returns_nothing(204),
            grant_many,
        )
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct UserQuery {
    /// `active`, `pending_verification`, `suspended` or `banned`.
    #[param(inline, value_type = Option<UserStatusWord>)]
    status: Option<UserStatus>,
    /// Tier of the home workspace.
    #[param(inline, value_type = Option<TierWord>)]
    tier: Option<Tier>,
    /// Part of the username or address.
    text: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
struct CreateBody {
    username: String,
    email: String,
    password: String,
    workspace_name: Option<String>,
    /// `basic`, `professional`, `enterprise` or `admin`.
    #[schema(value_type = String)]
    tier: Tier,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FreezeBody)]
struct ReasonBody {
    /// Why; kept in the action log.
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GrantBody {
    amount: u64,
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkGrantBody {
    /// At most 1,000.
    #[schema(value_type = Vec<String>)]
    user_ids: Vec<UserId>,
    amount: u64,
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct AccountView {
    #[schema(value_type = String, format = "uuid")]
    id: UserId,
    username: String,
    email: String,
    status: String,
    platform_admin: bool,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    tier: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        let user = account.user;
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            status: user.status.to_string(),
            platform_admin: user.platform_admin,
            workspace_id: user.home_workspace_id,
            tier: account.tier.to_string(),
            created_at: user.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct BalanceView {
    balance: i64,
}

async fn users(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List<UserQuery>,
) -> Result<Listing<AccountView>, ApiError> {
    let (context, admin) = (context(&ctx)?, platform.app.admin());
    let filter = Filter {
        status: list.filter.status,
        tier: list.filter.tier,
        text: list.filter.text.clone(),
    };
    let page = admin.users(&context, &filter, &list.page).await?;
    let total = list.total(admin.user_count(&context, &filter)).await?;
    Ok(Listing::new(page, list.page.limit, total, AccountView::from))
}

async fn create_user(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<CreateBody>,
) -> Result<Created<RegisteredView>, ApiError> {
    let command = Register {
        username: body.username,
        email: body.email,
        password: Secret::new(body.password),
        workspace_name: body.workspace_name,
    };
    let made = platform
        .app
        .admin()
        .create_user(&context(&ctx)?, command, body.tier)
        .await?;
    let location = format!("/api/admin/users/{}", made.user_id);
    Ok(RegisteredView::created(made, location))
}

async fn user(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
) -> Result<Json<AccountView>, ApiError> {
    Ok(Json(platform.app.admin().user(&context(&ctx)?, id).await?.into()))
}

async fn freeze(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
    Json(body): Json<ReasonBody>,
) -> Result<Json<AccountView>, ApiError> {
    Ok(Json(
        platform
            .app
            .admin()
            .freeze(&context(&ctx)?, id, &body.reason)
            .await?
            .into(),
    ))
}

async fn unfreeze(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
    Json(body): Json<ReasonBody>,
) -> Result<Json<AccountView>, ApiError> {
    Ok(Json(
        platform
            .app
            .admin()
            .unfreeze(&context(&ctx)?, id, &body.reason)
            .await?
            .into(),
    ))
}

async fn set_user_tier(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
    Json(body): Json<TierBody>,
) -> Result<Json<AccountView>, ApiError> {
    Ok(Json(
        platform
            .app
            .admin()
            .set_user_tier(&context(&ctx)?, id, body.tier)
            .await?
            .into(),
    ))
}

async fn grant(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
    Json(body): Json<GrantBody>,
) -> Result<Json<BalanceView>, ApiError> {
    let balance = platform
        .app
        .admin()
        .grant(&context(&ctx)?, id, body.amount, &body.reason)
        .await?;
    Ok(Json(BalanceView { balance }))
}

async fn grant_many(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<BulkGrantBody>,
) -> Result<NoContent, ApiError> {
    platform
        .app
        .admin()
        .grant_many(&context(&ctx)?, &body.user_ids, body.amount, &body.reason)
        .await?;
    Ok(NoContent)
}
