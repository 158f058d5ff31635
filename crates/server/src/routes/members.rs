//! Members of the caller's workspace.

use axum::extract::State;
use domain::{
    identity::{ApiScope, Role},
    ids::{Timestamp, UserId},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use store::members::Member;
use utoipa::ToSchema;

use crate::{
    ApiError, Created, Ctx, IfMatch, Json, List, Listing, NoContent, Operation, Path, Policy, Routes, Tagged,
    platform::{Platform, context},
};

const TAG: &str = "members";

/// The routes under `/api/members`.
#[must_use]
pub fn routes() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/members",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Lists the members of the workspace").returns_page::<MemberView>(),
            list,
        )
        .post(
            "/api/members",
            Policy::role(Role::Admin, ApiScope::WorkspaceWrite),
            Operation::new(
                TAG,
                "Takes a registered user, by username or address, into the workspace",
            )
            .body::<AddBody>()
            .returns::<MemberView>(201)
            .problems(&[ErrorCode::Conflict, ErrorCode::LimitExceeded]),
            add,
        )
        .merge(of_one_member())
}

/// The routes of one member.
fn of_one_member() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/members/{user_id}",
            Policy::viewer(ApiScope::WorkspaceRead),
            Operation::new(TAG, "Shows a member")
                .returns::<MemberView>(200)
                .problems(&[ErrorCode::NotFound]),
            show,
        )
        .patch(
            "/api/members/{user_id}",
            Policy::role(Role::Admin, ApiScope::WorkspaceWrite),
            Operation::new(
                TAG,
                "Changes a member's role; nobody gives or takes a role above the own",
            )
            .body::<RoleBody>()
            .returns::<MemberView>(200)
            .problems(&[ErrorCode::NotFound, ErrorCode::Conflict])
            .if_match(),
            change_role,
        )
        .delete(
            "/api/members/{user_id}",
            Policy::viewer(ApiScope::WorkspaceWrite),
            Operation::new(TAG, "Takes a member out, or lets the caller leave")
                .returns_nothing(204)
                .problems(&[ErrorCode::NotFound, ErrorCode::Conflict]),
            remove,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddBody {
    /// Username or e-mail address.
    user: String,
    /// `viewer`, `member`, `admin` or `owner`.
    #[schema(value_type = String)]
    role: Role,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberRole)]
struct RoleBody {
    /// `viewer`, `member`, `admin` or `owner`.
    #[schema(value_type = String)]
    role: Role,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceMember)]
struct MemberView {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    username: String,
    email: String,
    status: String,
    role: String,
    version: u64,
    #[schema(value_type = String, format = "date-time")]
    since: Timestamp,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            username: member.username,
            email: member.email,
            status: member.status.to_string(),
            role: member.role.to_string(),
            version: member.version,
            since: member.since,
        }
    }
}

async fn list(
    ctx: Ctx,
    State(platform): State<Platform>,
    list: List,
) -> Result<Listing<MemberView>, ApiError> {
    let (context, identity) = (context(&ctx)?, platform.app.identity());
    let page = identity.members(&context, &list.page).await?;
    let total = list.total(identity.member_count(&context)).await?;
    Ok(Listing::new(page, list.page.limit, total, MemberView::from))
}

async fn add(
    ctx: Ctx,
    State(platform): State<Platform>,
    Json(body): Json<AddBody>,
) -> Result<Created<MemberView>, ApiError> {
    let member = platform
        .app
        .identity()
        .add_member(&context(&ctx)?, &body.user, body.role)
        .await?;
    let location = format!("/api/members/{}", member.user_id);
    Ok(Created {
        location,
        version: Some(member.version),
        body: member.into(),
    })
}

async fn show(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
) -> Result<Tagged<MemberView>, ApiError> {
    let member = platform.app.identity().member(&context(&ctx)?, id).await?;
    Ok(Tagged::new(member.version, member.into()))
}

async fn change_role(
    ctx: Ctx,
    if_match: IfMatch,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
    Json(body): Json<RoleBody>,
) -> Result<Tagged<MemberView>, ApiError> {
    let member = platform
        .app
        .identity()
        .change_role(&context(&ctx)?, id, body.role, if_match.0)
        .await?;
    Ok(Tagged::new(member.version, member.into()))
}

async fn remove(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<UserId>,
) -> Result<NoContent, ApiError> {
    platform.app.identity().remove_member(&context(&ctx)?, id).await?;
    Ok(NoContent)
}
