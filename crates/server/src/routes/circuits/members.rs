//! Members of a circuit.

use axum::extract::State;
use domain::{
    circuit::Permissions,
    ids::{CircuitId, Timestamp, UserId, WorkspaceId},
    problem::ErrorCode,
};
use serde::{Deserialize, Serialize};
use store::circuit_members::Member;
use utoipa::ToSchema;

use super::{Answer, REFUSALS, TAG, act, read, write};
use crate::{
    Ctx, Json, List, Listing, NoContent, Operation, Path, Path2, Routes,
    platform::{Platform, context},
    routes::schema::PermissionWord,
};

pub(super) fn members() -> Routes<Platform> {
    Routes::new()
        .get(
            "/api/circuits/{circuit_id}/members",
            read(),
            Operation::new(TAG, "Lists a circuit's members")
                .returns_page::<MemberView>()
                .problems(&[ErrorCode::NotFound]),
            list_members,
        )
        .put(
            "/api/circuits/{circuit_id}/members/{user_id}",
            write(),
            Operation::new(TAG, "Gives a member another role")
                .body::<MemberRoleBody>()
                .returns::<MemberView>(200)
                .problems(REFUSALS),
            set_member_role,
        )
        .delete(
            "/api/circuits/{circuit_id}/members/{user_id}",
            act(),
            Operation::new(TAG, "Removes a member; one's own membership can always be ended")
                .returns_nothing(204)
                .problems(REFUSALS),
            remove_member,
        )
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberRoleBody {
    role: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CircuitMember)]
struct MemberView {
    #[schema(value_type = String, format = "uuid")]
    user_id: UserId,
    #[schema(value_type = String, format = "uuid")]
    workspace_id: WorkspaceId,
    role: String,
    #[schema(value_type = Vec<PermissionWord>)]
    permissions: Permissions,
    #[schema(value_type = String, format = "date-time")]
    joined_at: Timestamp,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            workspace_id: member.workspace_id,
            role: member.role,
            permissions: member.permissions,
            joined_at: member.joined_at,
        }
    }
}

async fn list_members(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path(id): Path<CircuitId>,
    list: List,
) -> Answer<Listing<MemberView>> {
    let (app, context) = (&platform.app, context(&ctx)?);
    let page = app.circuit_members(&context, id, &list.page).await?;
    let total = list.total(app.count_circuit_members(&context, id)).await?;
    Ok(Listing::new(page, list.page.limit, total, MemberView::from))
}

async fn set_member_role(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, user): Path2<CircuitId, UserId>,
    Json(body): Json<MemberRoleBody>,
) -> Answer<Json<MemberView>> {
    let member = platform
        .app
        .set_circuit_member_role(&context(&ctx)?, id, user, &body.role)
        .await?;
    Ok(Json(member.into()))
}

async fn remove_member(
    ctx: Ctx,
    State(platform): State<Platform>,
    Path2(id, user): Path2<CircuitId, UserId>,
) -> Answer<NoContent> {
    platform
        .app
        .remove_circuit_member(&context(&ctx)?, id, user)
        .await?;
    Ok(NoContent)
}
